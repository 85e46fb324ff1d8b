//! The link in every message. GET shows one button and changes nothing, because mail scanners follow links; POST
//! unsubscribes, from the button or from the mail program (one-click, RFC 8058).

use crate::pages::{Public, STYLE};
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use std::time::Duration;
use tidings_campaign::token::UnsubscribeToken;

/// A one-click body has 26 octets; as multipart a few hundred.
const BODY_OCTETS: usize = 16 * 1024;
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// `GET /u/{token}` and HEAD: the page with the button.
pub(crate) async fn ask(site: web::Data<Site>, token: web::Path<String>) -> HttpResponse {
    let Ok(token) = UnsubscribeToken::verify(&token, &site.keys) else {
        return broken_link(&site);
    };
    let store = site.store.clone();
    // The names are a courtesy: without them the button works all the same.
    let lists = site
        .ask(async move { store.lists_of(token.campaign).await })
        .await
        .unwrap_or_default();
    let lists: Vec<String> = lists.into_iter().map(|(_, name)| name).collect();
    let text = if lists.is_empty() {
        "You will get no more of these newsletters."
    } else {
        "You will get no more mail from:"
    };
    page(
        &site,
        StatusCode::OK,
        "Unsubscribe?",
        text,
        &lists,
        Some("Unsubscribe"),
    )
}

/// `POST /u/{token}`: unsubscribes; durable before the answer.
pub(crate) async fn unsubscribe(
    site: web::Data<Site>,
    request: HttpRequest,
    token: web::Path<String>,
    body: web::Payload,
) -> HttpResponse {
    if !is_form(request.headers()) {
        let text = "This address takes forms only.";
        return page(
            &site,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Not a form",
            text,
            &[],
            None,
        );
    }
    match tokio::time::timeout(BODY_PATIENCE, swallow(body)).await {
        Ok(Ok(())) => {}
        Ok(Err(status)) => {
            return page(
                &site,
                status,
                "Not done",
                "The request was not usable.",
                &[],
                None,
            );
        }
        Err(_) => {
            let text = "The request did not arrive in time.";
            return page(&site, StatusCode::REQUEST_TIMEOUT, "Not done", text, &[], None);
        }
    }
    let Ok(token) = UnsubscribeToken::verify(&token, &site.keys) else {
        return broken_link(&site);
    };
    let (store, now) = (site.store.clone(), site.clock.now());
    let done = site
        .ask(async move {
            store
                .unsubscribe(token.campaign, token.recipient, "link", now)
                .await
        })
        .await;
    match done {
        Ok(first) => {
            tracing::debug!(campaign.id = %token.campaign, first, "unsubscribed by link");
            let text = "You will get no more of these newsletters. You may close this page.";
            page(&site, StatusCode::OK, "You are unsubscribed", text, &[], None)
        }
        Err(trouble) => {
            tracing::error!("an unsubscribe could not be recorded: {trouble}");
            let text = "We could not record your wish just now. Please try again in a minute.";
            page(
                &site,
                StatusCode::SERVICE_UNAVAILABLE,
                "Not done yet",
                text,
                &[],
                Some("Try again"),
            )
        }
    }
}

/// `OPTIONS /u/{token}` and everything unexpected.
pub(crate) async fn other_method(request: HttpRequest) -> HttpResponse {
    let status = if request.method() == actix_web::http::Method::OPTIONS {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::METHOD_NOT_ALLOWED
    };
    HttpResponse::build(status)
        .insert_header(("Allow", "GET, HEAD, POST, OPTIONS"))
        .finish()
}

/// `GET /u/style.css`: no token has a dot.
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(STYLE)
}

/// The two types of RFC 8058, section 3.2; also none at all, for senders that leave an empty body untyped.
fn is_form(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    ["application/x-www-form-urlencoded", "multipart/form-data"]
        .iter()
        .any(|form| essence.eq_ignore_ascii_case(form))
}

/// Reads the body to its end. What it says does not matter: the token says everything.
async fn swallow(mut body: web::Payload) -> Result<(), StatusCode> {
    let mut octets = 0;
    while let Some(chunk) = body.next().await {
        octets += chunk.map_err(|_| StatusCode::BAD_REQUEST)?.len();
        if octets > BODY_OCTETS {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
    Ok(())
}

fn broken_link(site: &Site) -> HttpResponse {
    let text = "The address is not complete or was changed on its way. Please use the link in the newsletter again, \
                or copy it as a whole.";
    page(
        site,
        StatusCode::NOT_FOUND,
        "This link does not work",
        text,
        &[],
        None,
    )
}

fn page(
    site: &Site,
    status: StatusCode,
    title: &str,
    text: &str,
    lists: &[String],
    button: Option<&str>,
) -> HttpResponse {
    site.page(
        status,
        "public",
        &Public {
            title,
            text,
            lists,
            button,
            style: "style.css",
        },
    )
}
