//! The unsubscribe page.

use super::*;

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
