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
