//! The link in every message. GET shows what can be chosen and changes nothing, because mail scanners follow links; POST
//! does it, from the page or from the mail program (one-click, RFC 8058).

mod form;

use crate::preferences;
use crate::public::catalogue::{Texts, filled};
use crate::public::{self, Choices, Offer, Page};
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::{HttpRequest, HttpResponse, web};
pub(super) use form::Refused;
use form::Wished;
use tidings_campaign::leaving::{Choice, PauseLength, Reason, Scope};
use tidings_campaign::recipient::Subscription;
use tidings_campaign::token::UnsubscribeToken;
use tidings_store::one_clicks::OneClick;
use tidings_store::unsubscribes::Unsubscribe;
use tidings_store::wishes::Wish;

/// `GET /u/{token}` and HEAD: what is in force, and what can be chosen.
pub(crate) async fn ask(
    site: web::Data<Site>,
    request: HttpRequest,
    token: web::Path<String>,
) -> HttpResponse {
    let Ok(token) = UnsubscribeToken::verify(&token, &site.keys) else {
        return public::broken_link(&site, &request);
    };
    // What is in force is a courtesy: without it the form works all the same.
    let wish = wish(&site, token).await.unwrap_or_else(|trouble| {
        tracing::warn!("what a recipient has wished cannot be read: {trouble}");
        Wish::default()
    });
    let translation = public::suiting(&site, &request, wish.language.as_deref());
    let texts = &translation.texts;
    let mut page = Page::at(&site, &request, translation, &texts.ask_title);
    for sentence in in_force(texts, &wish) {
        page = page.saying(sentence);
    }
    page.with_way_back(has_way_back(&wish))
        .with_choices((!has_left_all(&wish)).then(|| choices(texts, &wish)))
        .with_preferences(preferences(&site, token, &wish))
        .answer(&site, StatusCode::OK)
}

/// `POST /u/{token}`: does what is wished; durable before the answer.
pub(crate) async fn choose(
    site: web::Data<Site>,
    request: HttpRequest,
    token: web::Path<String>,
    body: web::Payload,
) -> HttpResponse {
    let wished = match Wished::read(request.headers(), body).await {
        Ok(wished) => wished,
        Err(refused) => return refusal(&site, &request, &refused),
    };
    let Ok(token) = UnsubscribeToken::verify(&token, &site.keys) else {
        return public::broken_link(&site, &request);
    };
    if let Err(trouble) = record(&site, token, &wished).await {
        tracing::error!("what a recipient wished could not be recorded: {trouble}");
        let translation = public::accepted(&site, &request);
        return Page::at(&site, &request, translation, &translation.texts.not_yet_title)
            .saying(&translation.texts.not_yet)
            .with_again(wished.fields())
            .answer(&site, StatusCode::SERVICE_UNAVAILABLE);
    }
    tracing::debug!(campaign.id = %token.campaign, choice = wished.choice().as_str(), "chosen by link");
    match wished {
        // Mail programs read only the status.
        Wished::OneClick => {
            let translation = public::accepted(&site, &request);
            let texts = &translation.texts;
            Page::at(&site, &request, translation, &texts.unsubscribed_title)
                .saying(&texts.unsubscribed)
                .with_link_to_choices(true)
                .answer(&site, StatusCode::OK)
        }
        Wished::Chosen(choice, _) => chosen(&site, &request, token, choice).await,
    }
}

/// Does it. It may be repeated.
async fn record(site: &Site, token: UnsubscribeToken, wished: &Wished) -> Result<(), Trouble> {
    let (store, now) = (site.store.clone(), site.clock.now());
    let (campaign, recipient) = (token.campaign, token.recipient);
    match wished {
        Wished::OneClick => {
            let click = OneClick {
                campaign,
                recipient,
                at: now,
            };
            site.one_clicks.record(click).await
        }
        Wished::Chosen(Choice::Leave(scope), said) => {
            let wish = Unsubscribe {
                how: "link",
                scope: *scope,
                said: said.clone(),
            };
            site.ask(async move { store.unsubscribe_as(campaign, recipient, &wish, now).await })
                .await
                .map(drop)
        }
        Wished::Chosen(Choice::Pause(length), said) => {
            let (length, said) = (*length, said.clone());
            site.ask(async move {
                store
                    .pause_recipient(campaign, recipient, (length, &said), now)
                    .await
            })
            .await
            .map(drop)
        }
        Wished::Chosen(Choice::ComeBack, _) => site
            .ask(async move { store.come_back(campaign, recipient, now).await })
            .await
            .map(drop),
    }
}

/// The page after a choice: what is in force now.
async fn chosen(site: &Site, request: &HttpRequest, token: UnsubscribeToken, choice: Choice) -> HttpResponse {
    // It has been done: that it cannot be read now must not look like a failure.
    let wish = wish(site, token).await.unwrap_or_default();
    let translation = public::suiting(site, request, wish.language.as_deref());
    let texts = &translation.texts;
    let mut sentences = in_force(texts, &wish);
    let title = match choice {
        Choice::Leave(_) => &texts.unsubscribed_title,
        Choice::Pause(_) if has_left_all(&wish) => &texts.unsubscribed_title,
        Choice::Pause(_) => &texts.paused_title,
        Choice::ComeBack => &texts.came_back_title,
    };
    if choice == Choice::ComeBack {
        sentences.insert(0, texts.came_back.clone());
    } else if sentences.is_empty() {
        sentences.push(texts.unsubscribed.clone());
    }
    let mut page = Page::at(site, request, translation, title);
    for sentence in sentences {
        page = page.saying(sentence);
    }
    page.with_way_back(has_way_back(&wish))
        .with_link_to_choices(!has_left_all(&wish))
        .with_preferences(preferences(site, token, &wish))
        .answer(site, StatusCode::OK)
}

async fn wish(site: &Site, token: UnsubscribeToken) -> Result<Wish, Trouble> {
    let (store, now) = (site.store.clone(), site.clock.now());
    site.ask(async move { store.wish(token.campaign, token.recipient, now).await })
        .await
}

/// Where the recipient's preferences are, seen from the page.
fn preferences(site: &Site, token: UnsubscribeToken, wish: &Wish) -> Option<String> {
    let address = wish.address.as_ref()?;
    let token = preferences::token(&site.keys, (token.campaign, token.recipient), address);
    Some(format!("../p/{token}"))
}

/// What keeps mail from the recipient by their own wish; and, if they may think that nothing does, what else.
fn in_force(texts: &Texts, wish: &Wish) -> Vec<String> {
    let mut sentences = Vec::new();
    let left: Vec<&str> = wish
        .lists
        .iter()
        .filter(|(_, standing)| *standing == Some(Subscription::Unsubscribed))
        .map(|(name, _)| name.as_str())
        .collect();
    if has_left_all(wish) {
        sentences.push(texts.unsubscribed_all.clone());
    } else if !left.is_empty() {
        let lists = left.join(", ");
        sentences.push(filled(&texts.unsubscribed_lists, &[("lists", &lists)]));
    }
    // To whom nothing comes, nothing comes again after a pause.
    if let Some(until) = wish.paused_until.filter(|_| !has_left_all(wish)) {
        sentences.push(filled(&texts.paused, &[("date", &texts.day(until))]));
    }
    if wish.is_suppressed {
        sentences.push(texts.suppressed.clone());
    }
    sentences
}

fn has_left_all(wish: &Wish) -> bool {
    wish.has_left() && !wish.is_on_some_list
}

fn has_way_back(wish: &Wish) -> bool {
    (wish.can_come_back || wish.paused_until.is_some()) && !wish.is_suppressed
}

/// What has not been chosen yet. The first is proposed.
fn choices(texts: &Texts, wish: &Wish) -> Choices {
    let names: Vec<&str> = wish.lists.iter().map(|(name, _)| name.as_str()).collect();
    let label = |choice: Choice| match choice {
        Choice::Leave(Scope::Lists) if names.is_empty() => texts.choice_newsletter.clone(),
        Choice::Leave(Scope::Lists) => filled(&texts.choice_lists, &[("lists", &names.join(", "))]),
        Choice::Leave(Scope::All) => texts.choice_all.clone(),
        Choice::Pause(length) => pause_label(texts, length),
        Choice::ComeBack => texts.back.clone(),
    };
    let reason = |reason: Reason| match reason {
        Reason::TooMany => &texts.reason_too_many,
        Reason::NotRelevant => &texts.reason_not_relevant,
        Reason::NeverSignedUp => &texts.reason_never_signed_up,
        Reason::Other => &texts.reason_other,
    };
    let open = Choice::OFFERED
        .into_iter()
        .filter(|choice| *choice != Choice::Leave(Scope::Lists) || !wish.has_left());
    let offer = |(place, choice): (usize, Choice)| Offer {
        word: choice.as_str(),
        label: label(choice),
        is_checked: place == 0,
    };
    let offer_reason = |word: Reason| Offer {
        word: word.as_str(),
        label: reason(word).clone(),
        is_checked: false,
    };
    Choices {
        choices: open.enumerate().map(offer).collect(),
        reasons: Reason::ALL.map(offer_reason).into(),
    }
}

fn pause_label(texts: &Texts, length: PauseLength) -> String {
    filled(&texts.choice_pause, &[("weeks", &length.weeks().to_string())])
}

pub(super) fn refusal(site: &Site, request: &HttpRequest, refused: &Refused) -> HttpResponse {
    let translation = public::accepted(site, request);
    let texts = &translation.texts;
    let (status, title, text) = match refused {
        Refused::NotAForm => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &texts.not_a_form_title,
            &texts.not_a_form,
        ),
        Refused::Unusable(status) => (*status, &texts.not_done_title, &texts.unusable),
        Refused::TooLate => (
            StatusCode::REQUEST_TIMEOUT,
            &texts.not_done_title,
            &texts.too_late,
        ),
    };
    public::notice(site, request, translation, (status, title, text))
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
pub(crate) async fn style(site: web::Data<Site>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(site.public.style.clone())
}

/// `GET /u/logo.img`: the operator's. An SVG that is opened by itself may do nothing.
pub(crate) async fn logo(site: web::Data<Site>) -> HttpResponse {
    match site.public.brand.logo() {
        Some(logo) => HttpResponse::Ok()
            .content_type(logo.media_type())
            .insert_header((
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
            ))
            .body(logo.octets()),
        None => HttpResponse::NotFound().body("not found\n"),
    }
}
