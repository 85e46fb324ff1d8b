//! Which address leads where.

mod archive;
mod body;
mod dashboard;
mod health;
mod hits;
mod opt_in;
mod preferences;
mod recipient;
mod sign_up;
mod unsubscribe;
mod view;

use crate::access::{archive_headers, dashboard_headers, known_host_only, public_headers};
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Route, guard, web};

/// The dashboard and the public pages.
pub(crate) fn everything(config: &mut web::ServiceConfig) {
    public(config);
    config.service(
        web::scope("")
            .wrap(from_fn(known_host_only))
            .wrap(dashboard_headers())
            .route("/", page().to(dashboard::first_page))
            .route("/events", web::get().to(dashboard::events))
            .route("/campaigns/{id}", page().to(dashboard::campaign))
            .route("/recipients", page().to(recipient::recipient))
            .route("/assets/style.css", page().to(dashboard::style))
            .route("/assets/live.js", page().to(dashboard::script))
            .route("/assets/icon.svg", page().to(dashboard::icon))
            .default_service(web::to(dashboard::not_found)),
    );
}

/// Only what recipients and load balancers need.
pub(crate) fn public_only(config: &mut web::ServiceConfig) {
    public(config);
    config.default_service(web::to(|| async { HttpResponse::NotFound().body("not found\n") }));
}

/// What can be read can be asked for by HEAD too (RFC 9110 section 9.1).
fn page() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn public(config: &mut web::ServiceConfig) {
    let hit = |path, handler: fn() -> Route| {
        web::resource(path)
            .route(handler().guard(guard::Any(guard::Get()).or(guard::Head())))
            .default_service(web::to(hits::other_method))
    };
    // The busiest addresses first: they are tried in this order.
    config
        .service(hit("/o/{token}", || web::route().to(hits::pixel)))
        .service(hit("/c/{token}", || web::route().to(hits::link)));
    newsletters(config);
    sign_ups(config);
    // Browsers ask for it by themselves; the pages of recipients have no icon.
    config.route("/favicon.ico", page().to(|| async { HttpResponse::NoContent() }));
    preference_pages(config);
    config.route("/health", page().to(health::health)).service(
        web::scope("/u")
            .wrap(public_headers())
            .route("/style.css", page().to(unsubscribe::style))
            .route("/logo.img", page().to(unsubscribe::logo))
            .service(
                web::resource("/{token}")
                    .route(web::get().to(unsubscribe::ask))
                    .route(web::head().to(unsubscribe::ask))
                    .route(web::post().to(unsubscribe::choose))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
    );
}

/// Signing up: the form of a list, and the link of the letter that asks whether it was meant.
fn sign_ups(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/s").wrap(public_headers()).service(
                web::resource("/{list}")
                    .route(web::get().to(sign_up::form))
                    .route(web::head().to(sign_up::form))
                    .route(web::post().to(sign_up::sign_up))
                    .default_service(web::to(sign_up::other_method)),
            ),
        )
        .service(
            web::scope("/opt-in").wrap(public_headers()).service(
                web::resource("/{token}")
                    .route(web::get().to(opt_in::ask))
                    .route(web::head().to(opt_in::ask))
                    .route(web::post().to(opt_in::confirm))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
        );
}

/// What recipients see and change of themselves.
fn preference_pages(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/p").wrap(public_headers()).service(
                web::resource("/{token}")
                    .route(page().to(preferences::show))
                    .route(web::post().to(preferences::change))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
        )
        .service(
            web::scope("/a").wrap(public_headers()).service(
                web::resource("/{token}")
                    .route(page().to(preferences::ask_address))
                    .route(web::post().to(preferences::confirm_address))
                    .default_service(web::to(unsubscribe::other_method)),
            ),
        );
}

/// Newsletters in a browser: by the link of a recipient, and those that anybody may read.
fn newsletters(config: &mut web::ServiceConfig) {
    let read = |path: &str, route: Route| {
        web::resource(path.to_owned())
            .route(route)
            .default_service(web::to(view::other_method))
    };
    config
        .service(
            web::scope("/v")
                .wrap(public_headers())
                .service(read("/{token}", page().to(view::newsletter)))
                .service(read("/{token}/{name}", page().to(view::image))),
        )
        .service(
            web::scope("/archive")
                .wrap(archive_headers())
                .service(read("/{list}", page().to(archive::index)))
                .service(read("/{list}/feed.xml", page().to(archive::feed)))
                .service(read("/{list}/{campaign}", page().to(archive::issue)))
                .service(read("/{list}/{campaign}/{name}", page().to(archive::image))),
        );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::host_of_url;
    use crate::live::Poller;
    use crate::public::brand::{Brand, Colour, Logo};
    use crate::site::Site;
    use actix_web::App;
    use actix_web::body::to_bytes;
    use actix_web::dev::ServiceResponse;
    use actix_web::http::{Method, StatusCode};
    use actix_web::test::{TestRequest, init_service};
    use std::time::Duration;
    use tidings_campaign::address::EmailAddress;
    use tidings_campaign::csv_import::Row;
    use tidings_campaign::eligibility::{Refusal, may_mail};
    use tidings_campaign::ids::{CampaignId, RecipientId};
    use tidings_campaign::lifecycle::UnknownPolicy;
    use tidings_campaign::time::Clock;
    use tidings_campaign::token::UnsubscribeToken;
    use tidings_store::Store;
    use tidings_store::campaigns::{LANGUAGE_ATTRIBUTE, NewCampaign};
    use tidings_store::imports::{Import, ImportBatch, NewImport};
    use tidings_store::leases::{Claim, Lease};

    /// A database with one recipient, Ann, and a started campaign to her list.
    struct Instance {
        store: Store,
        site: web::Data<Site>,
        campaign: CampaignId,
        _folder: tempfile::TempDir,
    }

    const CLOCK: Clock = Clock::System;

    impl Instance {
        async fn new() -> Self {
            Self::branded(Brand::default()).await
        }

        async fn branded(brand: Brand) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&format!("sqlite://{}/t.db", folder.path().display()), "node")
                .await
                .unwrap();
            let campaign = campaign_to_ann(&store).await;
            let keys = store.key_ring(CLOCK.now()).await.unwrap();
            let (_poller, live) = Poller::start(store.clone(), CLOCK).await.unwrap();
            let host = host_of_url("https://news.example.com").to_owned();
            let site = web::Data::new(Site::new(store.clone(), keys, CLOCK, live, (host, brand)));
            Instance {
                store,
                site,
                campaign,
                _folder: folder,
            }
        }

        fn token(&self, recipient: i64) -> String {
            UnsubscribeToken {
                campaign: self.campaign,
                recipient: RecipientId(recipient),
            }
            .sign(&self.site.keys)
        }

        async fn ask_of(&self, routes: fn(&mut web::ServiceConfig), request: TestRequest) -> Answer {
            let app = init_service(App::new().app_data(self.site.clone()).configure(routes)).await;
            let response = actix_web::test::call_service(&app, request.to_request()).await;
            Answer::read(response).await
        }

        async fn ask(&self, method: Method, path: &str) -> Answer {
            let request = TestRequest::default()
                .method(method)
                .uri(path)
                .insert_header(("Host", "localhost:8080"));
            self.ask_of(everything, request).await
        }

        async fn post(&self, path: &str, content_type: &str, body: impl Into<web::Bytes>) -> Answer {
            let request = TestRequest::post()
                .uri(path)
                .insert_header(("Host", "news.example.com"))
                .insert_header(("Content-Type", content_type))
                .set_payload(body);
            self.ask_of(everything, request).await
        }

        async fn lease(&self) -> Lease {
            let now = CLOCK.now();
            let claim = Claim {
                owner: "test",
                size: 10,
                now,
                expires_at: now.plus(Duration::from_secs(60)),
            };
            self.store.claim(self.campaign, claim).await.unwrap().unwrap()
        }

        /// What the sender would decide about Ann now.
        async fn may_mail_ann(&self, lease: &Lease) -> Result<(), Refusal> {
            let ann = self.store.load(lease).await.unwrap().remove(0);
            may_mail(ann.recipient.unwrap(), &ann.standing, CLOCK.now()).map(drop)
        }

        async fn unsubscribes(&self) -> i64 {
            let counts = self.store.counts_since(0).await.unwrap();
            counts
                .iter()
                .filter(|row| row.outcome == "unsubscribed")
                .map(|row| row.n)
                .sum()
        }
    }

    async fn campaign_to_ann(store: &Store) -> CampaignId {
        let now = CLOCK.now();
        let ann = Row {
            line: 1,
            address: EmailAddress::parse("ann@example.org").unwrap(),
            name: Some("Ann".into()),
            attributes: "{}".into(),
        };
        let new = NewImport::of("Readers & friends", "a.csv");
        let mut import = Import::begin(store, &new, now).await.unwrap();
        import.write(ImportBatch::of(&[ann]), now).await.unwrap();
        let list = store.find_list("Readers & friends").await.unwrap().unwrap();
        let new = NewCampaign {
            name: "<Spring>".into(),
            lists: vec![list],
            template: "t".into(),
            subject: "s".into(),
            sender: "news@example.com".into(),
            reply_to: None,
            rate: None,
            unknown_policy: UnknownPolicy::Hold,
            greatest_lateness: Duration::from_secs(60),
            pool: None,
            max_sessions: None,
            parent: None,
            files: Vec::new(),
            attach_from: None,
            language_attribute: LANGUAGE_ATTRIBUTE.to_owned(),
            thresholds: Default::default(),
            tracking: None,
            utm: tidings_campaign::tracking::Utm::default(),
        };
        let campaign = store.create_campaign(&new, now).await.unwrap();
        assert_eq!(store.start_campaign(campaign, "{}", now).await.unwrap(), 1);
        campaign
    }

    struct Answer {
        status: StatusCode,
        head: String,
        body: String,
    }

    impl Answer {
        async fn read(response: ServiceResponse<impl actix_web::body::MessageBody>) -> Answer {
            let status = response.status();
            let head = format!("{:?}", response.headers());
            let body = to_bytes(response.into_body()).await.ok().unwrap_or_default();
            Answer {
                status,
                head,
                body: String::from_utf8(body.to_vec()).unwrap(),
            }
        }
    }

    const FORM: &str = "application/x-www-form-urlencoded";
    const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

    #[actix_web::test]
    async fn one_click_unsubscribes_at_once_and_counts_once() {
        let instance = Instance::new().await;
        let lease = instance.lease().await;
        assert_eq!(instance.may_mail_ann(&lease).await, Ok(()));
        let path = format!("/u/{}", instance.token(1));
        for _ in 0..3 {
            let answer = instance.post(&path, FORM, ONE_CLICK).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert!(answer.body.contains("You are unsubscribed"));
            assert!(!answer.head.contains("set-cookie"));
        }
        assert_eq!(instance.unsubscribes().await, 1);
        assert_eq!(instance.may_mail_ann(&lease).await, Err(Refusal::Unsubscribed));
    }

    #[actix_web::test]
    async fn multipart_forms_unsubscribe_too() {
        let instance = Instance::new().await;
        let body =
            "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
        let path = format!("/u/{}", instance.token(1));
        assert_eq!(
            instance
                .post(&path, "multipart/form-data; boundary=x", body)
                .await
                .status,
            StatusCode::OK
        );
        assert_eq!(instance.unsubscribes().await, 1);
    }

    #[actix_web::test]
    async fn looking_at_the_link_changes_nothing() {
        let instance = Instance::new().await;
        let path = format!("/u/{}", instance.token(1));
        let page = instance.ask(Method::GET, &path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.body.matches("<button").count(), 1);
        assert!(page.body.contains("Readers &amp; friends"));
        for word in [
            "no-store",
            "no-referrer",
            "noindex",
            "default-src 'none'",
            "nosniff",
        ] {
            assert!(page.head.contains(word), "{word} in {}", page.head);
        }
        assert_eq!(instance.ask(Method::HEAD, &path).await.status, StatusCode::OK);
        assert_eq!(
            instance.ask(Method::OPTIONS, &path).await.status,
            StatusCode::NO_CONTENT
        );
        assert_eq!(
            instance.ask(Method::DELETE, &path).await.status,
            StatusCode::METHOD_NOT_ALLOWED
        );
        assert_eq!(instance.unsubscribes().await, 0);
    }

    #[actix_web::test]
    async fn a_broken_or_forged_link_changes_nothing() {
        let instance = Instance::new().await;
        let token = instance.token(1);
        let mut forged = token.clone();
        let last = if forged.pop() == Some('0') { '1' } else { '0' };
        forged.push(last);
        for path in [
            format!("/u/{forged}"),
            format!("/u/{}", &token[..10]),
            "/u/x".into(),
            "/u/%00".into(),
        ] {
            assert_eq!(
                instance.ask(Method::GET, &path).await.status,
                StatusCode::NOT_FOUND
            );
            assert_eq!(
                instance.post(&path, FORM, ONE_CLICK).await.status,
                StatusCode::NOT_FOUND
            );
        }
        assert_eq!(instance.unsubscribes().await, 0);
    }

    #[actix_web::test]
    async fn the_body_is_bounded_and_must_be_a_form() {
        let instance = Instance::new().await;
        let path = format!("/u/{}", instance.token(1));
        let long = instance.post(&path, FORM, vec![b'x'; 100_000]).await;
        assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            instance.post(&path, "application/json", "{}").await.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        assert_eq!(instance.unsubscribes().await, 0);
    }

    async fn page_of_ann(instance: &Instance, languages: &str, body: &'static str) -> Answer {
        let request = TestRequest::post()
            .uri(&format!("/u/{}", instance.token(1)))
            .insert_header(("Content-Type", FORM))
            .insert_header(("Accept-Language", languages))
            .set_payload(body);
        instance.ask_of(public_only, request).await
    }

    #[actix_web::test]
    async fn a_pause_keeps_mail_back_and_is_no_unsubscribe() {
        let instance = Instance::new().await;
        let lease = instance.lease().await;
        let page = page_of_ann(&instance, "en", "choice=pause_4&reason=too_many").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("You are taking a break"), "{}", page.body);
        assert!(matches!(
            instance.may_mail_ann(&lease).await,
            Err(Refusal::Paused(_))
        ));
        assert_eq!(instance.unsubscribes().await, 0);
        let page = page_of_ann(&instance, "en", "choice=back").await;
        assert!(page.body.contains("Welcome back"), "{}", page.body);
        assert_eq!(instance.may_mail_ann(&lease).await, Ok(()));
    }

    #[actix_web::test]
    async fn the_way_back_is_offered_only_where_it_leads_somewhere() {
        let instance = Instance::new().await;
        let lease = instance.lease().await;
        let path = format!("/u/{}", instance.token(1));
        let way_back = "value=\"back\"";
        assert!(!instance.ask(Method::GET, &path).await.body.contains(way_back));
        let page = page_of_ann(&instance, "en", "choice=lists").await;
        assert!(page.body.contains("no more newsletters from us"), "{}", page.body);
        assert!(page.body.contains(way_back));
        assert!(instance.ask(Method::GET, &path).await.body.contains(way_back));
        let page = page_of_ann(&instance, "en", "choice=back").await;
        assert!(!page.body.contains(way_back), "{}", page.body);
        assert_eq!(instance.may_mail_ann(&lease).await, Ok(()));
        // Again: nothing is left to take back.
        let page = page_of_ann(&instance, "en", "choice=back").await;
        assert_eq!(page.status, StatusCode::OK);
    }

    #[actix_web::test]
    async fn every_page_is_in_the_visitor_s_language() {
        let instance = Instance::new().await;
        let get = |path: String, languages: &'static str| {
            TestRequest::get()
                .uri(&path)
                .insert_header(("Accept-Language", languages))
        };
        for (languages, tag, broken, legend) in [
            ("de-AT, en;q=0.5", "de", "Dieser Link", "Was möchten Sie tun?"),
            ("fr", "fr", "Ce lien", "Que souhaitez-vous faire"),
            ("es-MX", "es", "Este enlace", "¿Qué desea hacer?"),
            ("ja", "en", "This link", "What would you like to do?"),
        ] {
            let answer = instance.ask_of(public_only, get("/u/x".into(), languages)).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND);
            assert!(answer.body.contains(&format!("<html lang=\"{tag}\">")));
            assert!(answer.body.contains(broken), "{}", answer.body);
            let path = format!("/u/{}", instance.token(1));
            let answer = instance.ask_of(public_only, get(path, languages)).await;
            assert!(answer.body.contains(legend), "{}", answer.body);
        }
    }

    #[actix_web::test]
    async fn the_brand_shows_on_public_pages() {
        let logo = Logo::read(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec()).unwrap();
        let brand = Brand::new(
            Some("Example & Sons".into()),
            Some(logo),
            Some(Colour::parse("#ffd400").unwrap()),
            Some("1 Example Street\nSpringfield".into()),
        )
        .unwrap();
        let instance = Instance::branded(brand).await;
        let broken = instance.ask(Method::GET, "/u/x").await;
        for part in ["alt=\"Example &amp; Sons\"", "logo.img", "Springfield"] {
            assert!(broken.body.contains(part), "{part} in {}", broken.body);
        }
        assert!(!broken.body.contains("http://") && !broken.body.contains("https://"));
        let logo = instance.ask(Method::GET, "/u/logo.img").await;
        for word in ["image/svg+xml", "nosniff", "default-src 'none'", "sandbox"] {
            assert!(logo.head.contains(word), "{word} in {}", logo.head);
        }
        let style = instance.ask(Method::GET, "/u/style.css").await;
        assert!(style.body.starts_with(":root{--brand:#ffd400;--on-brand:#000}"));
        let plain = Instance::new().await;
        assert_eq!(
            plain.ask(Method::GET, "/u/logo.img").await.status,
            StatusCode::NOT_FOUND
        );
    }

    #[actix_web::test]
    async fn a_link_works_after_its_recipient_and_campaign_are_gone() {
        let instance = Instance::new().await;
        let gone = UnsubscribeToken {
            campaign: CampaignId(999),
            recipient: RecipientId(1),
        }
        .sign(&instance.site.keys);
        assert_eq!(
            instance.post(&format!("/u/{gone}"), FORM, ONE_CLICK).await.status,
            StatusCode::OK
        );
        let lease = instance.lease().await;
        assert_eq!(instance.may_mail_ann(&lease).await, Err(Refusal::Unsubscribed));
    }

    #[actix_web::test]
    async fn the_dashboard_shows_what_the_counters_say() {
        let instance = Instance::new().await;
        let first = instance.ask(Method::GET, "/").await;
        assert_eq!(instance.ask(Method::HEAD, "/").await.status, StatusCode::OK);
        assert_eq!(first.status, StatusCode::OK);
        assert!(
            first.body.contains("&lt;Spring&gt;"),
            "names are escaped: {}",
            first.body
        );
        assert!(first.body.contains("0 of 1 done"));
        assert!(
            !first.body.contains("http://") && !first.body.contains("https://"),
            "nothing from elsewhere"
        );
        let one = instance
            .ask(Method::GET, &format!("/campaigns/{}", instance.campaign))
            .await;
        assert!(one.body.contains("0 of 1 done"));
        for path in ["/campaigns/999", "/campaigns/x", "/nowhere"] {
            let missing = instance.ask(Method::GET, path).await;
            assert_eq!(missing.status, StatusCode::NOT_FOUND);
            assert!(missing.body.contains("Not found"));
        }
    }

    #[actix_web::test]
    async fn a_foreign_host_name_gets_no_dashboard_but_may_unsubscribe() {
        let instance = Instance::new().await;
        let request = |path: &str| TestRequest::get().uri(path).insert_header(("Host", "evil.test"));
        for path in ["/", "/events", "/assets/live.js", "/campaigns/1"] {
            let answer = instance.ask_of(everything, request(path)).await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
        }
        let path = format!("/u/{}", instance.token(1));
        assert_eq!(
            instance.ask_of(everything, request(&path)).await.status,
            StatusCode::OK
        );
    }

    #[actix_web::test]
    async fn the_public_address_has_no_dashboard() {
        let instance = Instance::new().await;
        let request = |path: &str| TestRequest::get().uri(path).insert_header(("Host", "localhost"));
        for path in ["/", "/events", "/campaigns/1"] {
            assert_eq!(
                instance.ask_of(public_only, request(path)).await.status,
                StatusCode::NOT_FOUND
            );
        }
        let health = instance.ask_of(public_only, request("/health")).await;
        assert_eq!(
            (health.status, health.body.as_str()),
            (StatusCode::OK, r#"{"database":"ok"}"#)
        );
        let path = format!("/u/{}", instance.token(1));
        assert_eq!(
            instance.ask_of(public_only, request(&path)).await.status,
            StatusCode::OK
        );
        assert_eq!(
            instance.ask_of(public_only, request("/u/style.css")).await.status,
            StatusCode::OK
        );
    }
}
