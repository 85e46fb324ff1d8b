//! The newsletter in a browser, as one recipient got it: for those whose mail program shows it badly. Whoever holds the link
//! sees it; it is not counted, and nothing of it may be kept or found by search engines.

use crate::newsletters::{Links, Newsletters, NotShown, POLICY};
use crate::public;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_campaign::message::attachment::media_type;
use tidings_campaign::token::{UnsubscribeToken, ViewToken};

/// `GET /v/{token}` and HEAD.
pub(crate) async fn newsletter(
    site: web::Data<Site>,
    letters: web::Data<Newsletters>,
    request: HttpRequest,
    text: web::Path<String>,
) -> HttpResponse {
    let Ok(token) = ViewToken::verify(&text, &site.keys) else {
        return public::broken_link(&site, &request);
    };
    match merged(&site, &letters, token, &text).await {
        Ok(html) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .body(html),
        Err(why) => not_shown(&site, &request, token, &why).await,
    }
}

/// `GET /v/{token}/{name}`: an image that the newsletter carries with it.
pub(crate) async fn image(
    site: web::Data<Site>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (token, name) = path.into_inner();
    let Ok(token) = ViewToken::verify(&token, &site.keys) else {
        return public::broken_link(&site, &request);
    };
    let store = site.store.clone();
    let found = site
        .ask(async move { store.shown_file(token.campaign, &name).await })
        .await;
    match found {
        Ok(Some((file, octets))) => picture(&file, octets),
        Ok(None) => HttpResponse::NotFound().body("not found\n"),
        Err(trouble) => not_shown(&site, &request, token, &trouble.into()).await,
    }
}

/// Everything but GET and HEAD.
pub(crate) async fn other_method() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header(("Allow", "GET, HEAD"))
        .finish()
}

/// An image of a campaign. What a campaign carries as an image is one.
pub(crate) fn picture(file: &str, octets: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().content_type(media_type(file)).body(octets)
}

async fn merged(
    site: &Site,
    letters: &Newsletters,
    token: ViewToken,
    text: &str,
) -> Result<String, NotShown> {
    let (store, wanted) = (site.store.clone(), token.recipient);
    let read = site.ask(async move {
        let standing = store.standing(token.campaign, wanted).await?;
        Ok((store.recipients(&[wanted]).await?, standing.list()))
    });
    let (mut found, by) = read.await?;
    let recipient = found.pop().ok_or(NotShown::Gone)?;
    let letter = letters.of(site, token.campaign).await?;
    let unsubscribe = UnsubscribeToken {
        campaign: token.campaign,
        recipient: token.recipient,
    };
    let unsubscribe = format!("{}/u/{}", letters.public_url, unsubscribe.sign(&site.keys));
    let view = format!("{}/v/{text}", letters.public_url);
    let links = Links {
        unsubscribe_url: &unsubscribe,
        view_url: &view,
        // Whoever has this message may not be who has the recipient's address by now: the page behind this link knows.
        preferences_url: &unsubscribe,
    };
    let html = letter.render(&recipient, by, links)?.html;
    // Seen from the page, images are below its own name. A token that verifies has letters and digits only.
    Ok(letter.with_images(&html, &format!("{text}/")))
}

async fn not_shown(site: &Site, request: &HttpRequest, token: ViewToken, why: &NotShown) -> HttpResponse {
    if let NotShown::Trouble(trouble) = why {
        tracing::error!("a newsletter could not be shown in a browser: {trouble}");
        // Who cannot be asked about the newsletter cannot be asked about the language.
        let translation = public::accepted(site, request);
        let texts = &translation.texts;
        let said = (StatusCode::SERVICE_UNAVAILABLE, &*texts.busy_title, &*texts.busy);
        return public::notice(site, request, translation, said);
    }
    let translation = public::of_recipient(site, request, (token.campaign, token.recipient)).await;
    let texts = &translation.texts;
    let (title, text) = match why {
        NotShown::Gone | NotShown::Trouble(_) => (&texts.gone_title, &texts.gone),
        NotShown::Template(_) | NotShown::Render(_) | NotShown::Content(_) => {
            tracing::warn!("a newsletter cannot be shown in a browser: {why}");
            (&texts.cannot_show_title, &texts.cannot_show)
        }
    };
    public::notice(site, request, translation, (StatusCode::GONE, title, text))
}
