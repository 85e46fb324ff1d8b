//! The link of an opt-in letter. GET shows one button and changes nothing, because mail scanners follow links; POST confirms.

use crate::public::catalogue::{Translation, filled};
use crate::public::{self, Page};
use crate::sign_up::SignUps;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_campaign::token::SignUpToken;
use tidings_store::campaigns::LANGUAGE_ATTRIBUTE;
use tidings_store::sign_ups::{Confirmed, SignUp};

/// `GET /opt-in/{token}` and HEAD.
pub(crate) async fn ask(
    site: web::Data<Site>,
    token: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let Ok(token) = SignUpToken::verify(&token, &site.keys) else {
        return public::broken_link(&site, &request);
    };
    let sign_up = match found(&site, token).await {
        Ok(sign_up) => sign_up,
        Err(trouble) => return not_yet(&site, &request, &trouble),
    };
    let language = sign_up.as_ref().map(|sign_up| sign_up.language.as_str());
    let translation = public::suiting(&site, &request, language);
    match sign_up {
        Some(sign_up) if sign_up.confirmed_at.is_some() => done(&site, translation, &sign_up, false),
        Some(sign_up) if !token.has_expired(site.clock.now()) => {
            let texts = &translation.texts;
            Page::new(&site, translation, &texts.opt_in_title)
                .saying(filled(&texts.opt_in, &[("list", &sign_up.list_name)]))
                .with_opt_in()
                .answer(&site, StatusCode::OK)
        }
        sign_up => too_late(&site, translation, sign_up.as_ref()),
    }
}

/// `POST /opt-in/{token}`: confirms, durable before the answer. What the body says does not matter.
pub(crate) async fn confirm(
    site: web::Data<Site>,
    sign_ups: web::Data<SignUps>,
    token: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let Ok(token) = SignUpToken::verify(&token, &site.keys) else {
        return public::broken_link(&site, &request);
    };
    let now = site.clock.now();
    let outcome = async {
        let sign_up = found(&site, token).await?;
        if token.has_expired(now) {
            return Ok((sign_up, Confirmed::Gone));
        }
        let (store, visitor) = (site.store.clone(), sign_ups.visitor(&request, &site.keys));
        let confirmed = site
            .ask(async move {
                store
                    .confirm_sign_up(token.sign_up, &visitor, LANGUAGE_ATTRIBUTE, now)
                    .await
            })
            .await?;
        Ok::<_, Trouble>((sign_up, confirmed))
    };
    let (sign_up, confirmed) = match outcome.await {
        Ok(outcome) => outcome,
        Err(trouble) => return not_yet(&site, &request, &trouble),
    };
    let language = sign_up.as_ref().map(|sign_up| sign_up.language.as_str());
    let translation = public::suiting(&site, &request, language);
    match (confirmed, &sign_up) {
        (Confirmed::Suppressed, Some(sign_up)) => done(&site, translation, sign_up, true),
        (Confirmed::Yes | Confirmed::Before, Some(sign_up)) => done(&site, translation, sign_up, false),
        (_, Some(sign_up)) if sign_up.confirmed_at.is_some() => done(&site, translation, sign_up, false),
        (_, sign_up) => too_late(&site, translation, sign_up.as_ref()),
    }
}

fn done(site: &Site, translation: &Translation, sign_up: &SignUp, is_suppressed: bool) -> HttpResponse {
    let texts = &translation.texts;
    let page = Page::new(site, translation, &texts.opted_in_title);
    let page = match is_suppressed {
        true => page.saying(&texts.suppressed),
        false => page.saying(filled(&texts.opted_in, &[("list", &sign_up.list_name)])),
    };
    page.answer(site, StatusCode::OK)
}

fn too_late(site: &Site, translation: &Translation, sign_up: Option<&SignUp>) -> HttpResponse {
    let texts = &translation.texts;
    Page::new(site, translation, &texts.opt_in_late_title)
        .saying(&texts.opt_in_late)
        .with_sign_up_page(sign_up.map(|sign_up| format!("../s/{}", sign_up.list)))
        .answer(site, StatusCode::GONE)
}

fn not_yet(site: &Site, request: &HttpRequest, trouble: &Trouble) -> HttpResponse {
    tracing::error!("a sign-up could not be confirmed: {trouble}");
    let translation = public::accepted(site, request);
    Page::new(site, translation, &translation.texts.not_yet_title)
        .saying(&translation.texts.not_yet)
        .with_again(Vec::new())
        .answer(site, StatusCode::SERVICE_UNAVAILABLE)
}

async fn found(site: &Site, token: SignUpToken) -> Result<Option<SignUp>, Trouble> {
    let store = site.store.clone();
    site.ask(async move { store.find_sign_up(token.sign_up).await })
        .await
}
