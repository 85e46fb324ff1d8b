//! Signing up for a list: the form, what is posted to it by browsers and programs, and the answer, which is the same whether
//! the address is known or not.

mod entry;

use crate::public::catalogue::{Translation, filled};
use crate::public::{self, Page};
use crate::routes::body::{self, BodyFault, FORM, essence};
use crate::routes::unsubscribe::{Refused, refusal};
use crate::sign_up::{OptIn, SignUps, consent, fields};
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use entry::Entry;
use serde_json::json;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{ListId, SignUpId};
use tidings_campaign::letter::LetterKind;
use tidings_campaign::message::Mailbox;
use tidings_campaign::sign_up::{SignUpForm, text_digest};
use tidings_campaign::token::SignUpToken;
use tidings_store::StoreError;
use tidings_store::letters::{NewLetter, fresh_letter_id};
use tidings_store::sign_ups::{NewSignUp, ShownBy, SignedUp};

const JSON: &str = "application/json";

/// A list that is open.
struct Open {
    id: ListId,
    name: String,
    form: SignUpForm,
}

/// What the sign-up came to, as far as whoever asked is told.
enum Told {
    Asked,
    BadAddress,
    NotYet,
}

/// `GET /s/{list}` and HEAD: the form.
pub(crate) async fn form(
    site: web::Data<Site>,
    list: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let translation = public::accepted(&site, &request);
    let open = match opened(&site, &list).await {
        Ok(Some(open)) => open,
        Ok(None) => return public::broken_link(&site, &request),
        Err(trouble) => return not_yet(&site, translation, &trouble, Vec::new()),
    };
    let title = filled(&translation.texts.sign_up_title, &[("list", &open.name)]);
    let fields = fields(translation, (&open.name, &open.form), |_| None, "page");
    Page::new(&site, translation, &title)
        .with_sign_up(fields)
        .answer(&site, StatusCode::OK)
}

/// `POST /s/{list}`: a form, or JSON.
pub(crate) async fn sign_up(
    site: web::Data<Site>,
    sign_ups: web::Data<SignUps>,
    list: web::Path<String>,
    request: HttpRequest,
    posted: web::Payload,
) -> HttpResponse {
    let is_json = essence(request.headers()).eq_ignore_ascii_case(JSON);
    // A flood gets the answer that everybody gets, before it costs a look at the database.
    if !sign_ups.admits(sign_ups.network(&request).as_deref(), site.clock.now()) {
        let translation = public::accepted(&site, &request);
        return match is_json {
            true => told_json(StatusCode::ACCEPTED, "asked", &translation.texts.asked),
            false => asked(&site, translation),
        };
    }
    let open = match opened(&site, &list).await {
        Ok(Some(open)) => open,
        Ok(None) if is_json => return HttpResponse::NotFound().json(json!({ "status": "no_such_form" })),
        Ok(None) => return public::broken_link(&site, &request),
        Err(trouble) => {
            return not_yet(&site, public::accepted(&site, &request), &trouble, Vec::new());
        }
    };
    if is_json {
        return with_origin(
            &request,
            &open.form,
            by_json(&site, &sign_ups, &open, &request, posted).await,
        );
    }
    if !essence(request.headers()).eq_ignore_ascii_case(FORM) {
        return refusal(&site, &request, &Refused::NotAForm);
    }
    let entry = match body::whole(posted).await {
        Ok(octets) => Entry::of_form(&octets),
        Err(fault) => return refusal(&site, &request, &fault.into()),
    };
    let translation = public::suiting(&site, &request, entry.get("language"));
    match told(&site, &sign_ups, &open, &request, &entry, translation).await {
        Told::Asked => asked(&site, translation),
        Told::BadAddress => {
            let title = filled(&translation.texts.sign_up_title, &[("list", &open.name)]);
            let mut fields = fields(
                translation,
                (&open.name, &open.form),
                |name| entry.get(name),
                "page",
            );
            fields.problem = Some(translation.texts.bad_address.clone());
            Page::new(&site, translation, &title)
                .with_sign_up(fields)
                .answer(&site, StatusCode::UNPROCESSABLE_ENTITY)
        }
        Told::NotYet => not_yet_page(&site, translation, entry.fields()),
    }
}

fn told_json(status: StatusCode, word: &str, words: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "status": word, "message": words }))
}

async fn by_json(
    site: &Site,
    sign_ups: &SignUps,
    open: &Open,
    request: &HttpRequest,
    posted: web::Payload,
) -> HttpResponse {
    // A browser would not hand the answer to the page, and the page is to learn why.
    if origin(request).is_some_and(|origin| !open.form.allows(origin) && origin != sign_ups.public_url) {
        let words = "pages of this origin may not sign up here";
        return told_json(StatusCode::FORBIDDEN, "origin_not_allowed", words);
    }
    let entry = match body::whole(posted).await {
        Ok(octets) => Entry::of_json(&octets),
        Err(fault) => {
            return told_json(
                status_of(&fault),
                "unusable",
                "the body is too long, or broke off",
            );
        }
    };
    let Some(entry) = entry else {
        let words = "write one JSON object whose values are texts";
        return told_json(StatusCode::BAD_REQUEST, "unusable", words);
    };
    let translation = public::suiting(site, request, entry.get("language"));
    let texts = &translation.texts;
    match told(site, sign_ups, open, request, &entry, translation).await {
        Told::Asked => told_json(StatusCode::ACCEPTED, "asked", &texts.asked),
        Told::BadAddress => told_json(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_address",
            &texts.bad_address,
        ),
        Told::NotYet => told_json(StatusCode::SERVICE_UNAVAILABLE, "not_yet", &texts.not_yet),
    }
}

/// Does what is asked, as far as it may be. Machines that fill in what nobody sees, and addresses that must not be
/// mailed get the answer that everybody gets.
async fn told(
    site: &Site,
    sign_ups: &SignUps,
    open: &Open,
    request: &HttpRequest,
    entry: &Entry,
    translation: &Translation,
) -> Told {
    if entry.get("website").is_some_and(|value| !value.is_empty()) {
        tracing::info!(list.id = %open.id, "sign-up: by a machine that filled in the hidden field");
        return Told::Asked;
    }
    let Ok(address) = EmailAddress::parse(entry.get("email").unwrap_or_default()) else {
        return Told::BadAddress;
    };
    let network = sign_ups.network_of_letters(request, &site.keys);
    let visitor = sign_ups.visitor(request, &site.keys);
    let text = consent(&translation.texts, &open.name, &open.form);
    let form = entry.get("form").unwrap_or("json");
    let text_shown_by = match entry.get("shown") {
        Some(digest) if digest != text_digest(&text) => ShownBy::Unproven,
        Some(_) if form == "page" => ShownBy::Page,
        Some(_) => ShownBy::Form,
        None => ShownBy::Unproven,
    };
    let (name, attributes) = open.form.pick(|field| entry.get(field));
    let now = site.clock.now();
    let new = NewSignUp {
        id: SignUpId(0),
        list: open.id,
        address,
        name,
        attributes,
        form: form.to_owned(),
        language: translation.language.to_string(),
        text,
        text_shown_by,
        visitor,
        expires_at: now.plus(sign_ups.settings.link_valid),
    };
    match ask(site, sign_ups, open, translation, (new, network)).await {
        Ok(SignedUp::Asked) => {}
        Ok(SignedUp::Suppressed) => {
            tracing::info!(list.id = %open.id, "sign-up: the address is suppressed, nothing was sent");
        }
        Ok(SignedUp::TooMany(cap)) => {
            tracing::warn!(list.id = %open.id, cap = cap.as_str(), "sign-up: nothing was sent, a cap is reached");
        }
        Err(trouble) => {
            tracing::error!("a sign-up could not be recorded: {trouble}");
            return Told::NotYet;
        }
    }
    Told::Asked
}

/// Writes the sign-up together with its letter.
async fn ask(
    site: &Site,
    sign_ups: &SignUps,
    open: &Open,
    translation: &Translation,
    (mut new, network): (NewSignUp, Option<String>),
) -> Result<SignedUp, Trouble> {
    let store = site.store.clone();
    let id = site
        .ask(async move { store.allocate_ids("sign_ups", 1).await })
        .await?;
    new.id = SignUpId(id);
    let from = Mailbox::parse(&open.form.sender).map_err(|error| StoreError::BadRow {
        table: "lists",
        row: open.id.to_string(),
        problem: format!("the sender {error}"),
    })?;
    let token = SignUpToken {
        sign_up: new.id,
        expires_at: new.expires_at,
    };
    let url = format!("{}/opt-in/{}", sign_ups.public_url, token.sign(&site.keys));
    let now = site.clock.now();
    let letter = OptIn {
        from: &from,
        to: &new.address,
        name: &new.name,
        list: &open.name,
        url: &url,
        expires_at: new.expires_at,
    };
    let message = letter.compose(
        (&site.pages, &site.public.brand, translation),
        &fresh_letter_id()?,
        now,
    );
    let (store, caps) = (site.store.clone(), sign_ups.settings.caps);
    site.ask(async move {
        let letter = NewLetter {
            kind: LetterKind::OptIn,
            to: &new.address,
            sender_domain: from.address.domain(),
            message: &message,
            list: Some(new.list),
            campaign: None,
            network: network.as_deref(),
            once: None,
            expires_at: new.expires_at,
        };
        store.sign_up(&new, &letter, caps, now).await
    })
    .await
}

fn asked(site: &Site, translation: &Translation) -> HttpResponse {
    let texts = &translation.texts;
    Page::new(site, translation, &texts.asked_title)
        .saying(&texts.asked)
        .saying(&texts.asked_nothing)
        .answer(site, StatusCode::OK)
}

fn not_yet(
    site: &Site,
    translation: &Translation,
    trouble: &Trouble,
    fields: Vec<(String, String)>,
) -> HttpResponse {
    tracing::error!("a form for signing up cannot be read: {trouble}");
    not_yet_page(site, translation, fields)
}

fn not_yet_page(site: &Site, translation: &Translation, fields: Vec<(String, String)>) -> HttpResponse {
    let page =
        Page::new(site, translation, &translation.texts.not_yet_title).saying(&translation.texts.not_yet);
    let page = match fields.is_empty() {
        true => page,
        false => page.with_again(fields),
    };
    page.answer(site, StatusCode::SERVICE_UNAVAILABLE)
}

fn status_of(fault: &BodyFault) -> StatusCode {
    match fault {
        BodyFault::Unusable(status) => *status,
        BodyFault::TooLate => StatusCode::REQUEST_TIMEOUT,
    }
}

/// The list of this number, if it is open.
async fn opened(site: &Site, list: &str) -> Result<Option<Open>, Trouble> {
    let Ok(id) = list.parse::<ListId>() else {
        return Ok(None);
    };
    let store = site.store.clone();
    let found = site.ask(async move { store.sign_up_form(id).await }).await?;
    Ok(found.map(|(name, form)| Open { id, name, form }))
}

fn origin(request: &HttpRequest) -> Option<&str> {
    request.headers().get(ORIGIN)?.to_str().ok()
}

/// Says to browsers whose pages may read the answer: those that the operator has named. No cookie is ever involved.
fn with_origin(request: &HttpRequest, form: &SignUpForm, mut answer: HttpResponse) -> HttpResponse {
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let allowed = request
        .headers()
        .get(ORIGIN)
        .filter(|origin| origin.to_str().is_ok_and(|origin| form.allows(origin)));
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    answer
}

/// `OPTIONS /s/{list}`: what browsers ask before a page elsewhere may post JSON (CORS); and everything unexpected.
pub(crate) async fn other_method(
    site: web::Data<Site>,
    list: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    const METHODS: &str = "GET, HEAD, POST, OPTIONS";
    if request.method() != actix_web::http::Method::OPTIONS {
        return HttpResponse::MethodNotAllowed()
            .insert_header(("Allow", METHODS))
            .finish();
    }
    let mut answer = HttpResponse::NoContent()
        .insert_header(("Allow", METHODS))
        .finish();
    let Ok(Some(open)) = opened(&site, &list).await else {
        return answer;
    };
    if origin(&request).is_some_and(|origin| open.form.allows(origin)) {
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Content-Type"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    }
    with_origin(&request, &open.form, answer)
}
