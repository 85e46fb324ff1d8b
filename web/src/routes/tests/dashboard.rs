//! The dashboard, and who may see it.

use super::*;

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
    for path in ["/", "/events", "/assets/style.css", "/campaigns/1"] {
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

#[actix_web::test]
async fn every_section_leads_to_a_page_that_knows_where_it_is() {
    let instance = Instance::new().await;
    let first = instance.ask(Method::GET, "/").await;
    let links: Vec<&str> = first
        .body
        .split("<li><a href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.contains(&"/campaigns"), "{links:?}");
    for link in links {
        // The section of the settings leads to the first of its tabs.
        let link = if link == "/settings" {
            "/settings/relays"
        } else {
            link
        };
        let page = instance.ask(Method::GET, link).await;
        assert_eq!(page.status, StatusCode::OK, "{link}");
        assert!(page.body.contains("aria-current=\"page\""), "{link}");
        assert!(page.body.contains("id=\"main\""), "the skip link of {link}");
        assert!(
            !page.body.contains(" style=")
                && !page.body.contains("<style")
                && !page.body.contains(" onclick="),
            "the policy forbids styles and scripts in {link}"
        );
    }
}

#[actix_web::test]
async fn assets_are_kept_for_ever_and_named_by_their_content() {
    let instance = Instance::new().await;
    let first = instance.ask(Method::GET, "/").await;
    let named: Vec<&str> = first
        .body
        .split('"')
        .filter(|word| word.starts_with("/assets/"))
        .collect();
    assert!(named.len() >= 5, "{named:?}");
    for path in named {
        let asset = instance.ask(Method::GET, path).await;
        assert_eq!(asset.status, StatusCode::OK, "{path}");
        assert!(asset.head.contains("immutable"), "{}", asset.head);
        let etag = path.rsplit('-').next().unwrap().split('.').next().unwrap();
        let again = TestRequest::get()
            .uri(path)
            .insert_header(("Host", "localhost"))
            .insert_header(("If-None-Match", format!("\"{etag}\"")));
        let again = instance.ask_of(everything, again).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert_eq!(again.body, "");
    }
    let other = instance
        .ask(Method::GET, "/assets/style-0000000000000000.css")
        .await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert!(!other.head.contains("immutable"));
}

#[actix_web::test]
async fn an_asset_is_packed_for_browsers_that_unpack() {
    let path = assets::path("htmx.js").unwrap();
    let instance = Instance::new().await;
    let app = init_service(App::new().app_data(instance.site.clone()).configure(everything)).await;
    let request = TestRequest::get()
        .uri(&path)
        .insert_header(("Host", "localhost"))
        .insert_header(("Accept-Encoding", "br, gzip"));
    let answer = actix_web::test::call_service(&app, request.to_request()).await;
    assert_eq!(answer.headers().get("content-encoding").unwrap(), "gzip");
    let packed = to_bytes(answer.into_body()).await.unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text).unwrap();
    assert_eq!(text, instance.ask(Method::GET, &path).await.body);
}

#[actix_web::test]
async fn campaigns_are_found_by_name_and_state() {
    let instance = Instance::new().await;
    for (query, is_found) in [
        ("", true),
        ("?q=spring", true),
        ("?q=%3CSPR", true),
        ("?q=autumn", false),
        ("?q=%25", false),
        ("?state=sending", true),
        ("?state=finished", false),
        ("?state=nonsense&page=x", true),
        ("?page=2", false),
    ] {
        let page = instance.ask(Method::GET, &format!("/campaigns{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        assert_eq!(page.body.contains("&lt;Spring&gt;"), is_found, "{query}");
        assert_eq!(page.body.contains("Nothing found"), !is_found, "{query}");
    }
}

#[actix_web::test]
async fn an_empty_instance_says_what_to_do_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}/t.db", folder.path().display()), "node")
        .await
        .unwrap();
    let instance = Instance::over(store, Brand::default(), CampaignId(1), folder).await;
    let first = instance.ask(Method::GET, "/").await;
    for words in [
        "three steps",
        "href=\"/imports/new\"",
        "href=\"/settings/relays\"",
        "href=\"/campaigns/new\"",
    ] {
        assert!(first.body.contains(words), "{words} in {}", first.body);
    }
    assert!(!first.body.contains("class=\"done\""));
    let list = instance.ask(Method::GET, "/campaigns").await;
    assert!(list.body.contains("There is no campaign yet"));
}
