//! Another address: it is asked for on the page, and confirmed by a link that is sent to it. Nobody who asks learns whether
//! that address is known here.

use super::{Visit, not_now, stale};
use crate::preferences::{CHANGE_HOLDS, LetterWords, PreferencePages};
use crate::public::catalogue::{Translation, filled};
use crate::public::{self, Page};
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::letter::LetterKind;
use tidings_campaign::message::{LetterText, Mailbox};
use tidings_campaign::token::{AddressChangeToken, AddressMark};
use tidings_store::StoreError;
use tidings_store::address_changes::AddressChange;
use tidings_store::letters::{NewLetter, Queued, fresh_letter_id};
use tidings_store::suppressions::Suppression;

/// `?to=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    to: String,
}

impl Visit<'_> {
    /// Has the link sent that confirms it.
    pub(super) async fn ask_for_address(self, to: &str) -> Result<HttpResponse, Trouble> {
        let texts = self.texts();
        let problem = |text: &str| {
            let page = self.page().with_problems(vec![text.to_owned()]);
            page.answer(StatusCode::UNPROCESSABLE_ENTITY)
        };
        let Ok(to) = EmailAddress::parse(to) else {
            return Ok(problem(&texts.address_bad));
        };
        if to.key() == self.known.recipient.address.key() {
            return Ok(problem(&texts.address_same));
        }
        let now = self.site.clock.now();
        if !self.pages.admits_change(self.token.recipient, now) {
            return Ok(self.too_many());
        }
        self.send_letter(&to).await?;
        let hours = (CHANGE_HOLDS.as_secs() / 3600).to_string();
        let said = filled(
            &texts.address_sent,
            &[("address", to.as_str()), ("hours", &hours)],
        );
        Ok(self.page().saying(&said).answer(StatusCode::OK))
    }

    /// To an address that must not be mailed, or that has been sent too many, none goes, and nobody is told.
    async fn send_letter(&self, to: &EmailAddress) -> Result<(), Trouble> {
        let (store, wanted, own) = (self.site.store.clone(), to.clone(), self.token.recipient);
        let campaign = self.token.campaign;
        let (author, is_known, is_suppressed) = self
            .site
            .ask(async move {
                let author = match store.get_campaign(campaign).await {
                    Ok(campaign) => Some(campaign.sender),
                    Err(StoreError::NotFound { .. }) => None,
                    Err(error) => return Err(error),
                };
                let known = store.find_recipient(&wanted).await?;
                let suppressed = store.find_suppression(&wanted).await?;
                // An address that this very recipient gave up is decided about when it is confirmed.
                let suppressed = suppressed.filter(|found| found.reason != Suppression::BY_MOVE);
                Ok((
                    author,
                    known.is_some_and(|known| known.id != own),
                    suppressed.is_some(),
                ))
            })
            .await?;
        let Some(author) = author.as_deref().and_then(|text| Mailbox::parse(text).ok()) else {
            tracing::warn!(campaign.id = %campaign, "no address is changed by its links: nobody knows who would write the letter");
            return Ok(());
        };
        if is_suppressed {
            return Ok(());
        }
        let now = self.site.clock.now();
        let expires_at = now.plus(CHANGE_HOLDS);
        let words = match is_known {
            true => LetterWords::known(self.translation, to),
            false => LetterWords::asking(self.translation, to, &self.link(to)),
        };
        let id = fresh_letter_id()?;
        let message = LetterText {
            from: &author,
            to,
            name: "",
            language: Some(&self.translation.language),
            subject: &self.texts().letter_subject,
            text: &words.text,
            html: &words.html,
        }
        .compose(&id, now);
        let (store, to, network) = (
            self.site.store.clone(),
            to.clone(),
            self.sign_ups.network_of_letters(self.request, &self.site.keys),
        );
        let caps = self.sign_ups.settings.caps;
        let queued = self
            .site
            .ask(async move {
                let letter = NewLetter {
                    kind: LetterKind::AddressChange,
                    to: &to,
                    sender_domain: author.address.domain(),
                    message: &message,
                    list: None,
                    campaign: None,
                    network: network.as_deref(),
                    once: None,
                    expires_at,
                };
                store.queue_letter(&letter, caps, now).await
            })
            .await?;
        if let Queued::TooMany(cap) = queued {
            tracing::warn!(
                cap = cap.as_str(),
                "another address: nothing was sent, a cap is reached"
            );
        }
        Ok(())
    }

    /// Signed together with the new address.
    fn link(&self, to: &EmailAddress) -> String {
        let token = AddressChangeToken {
            recipient: self.token.recipient,
            mark: self.token.mark,
            expires_at: self.site.clock.now().plus(CHANGE_HOLDS),
        };
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("to", to.as_str())
            .finish();
        let token = token.sign(to.as_str(), &self.site.keys);
        format!("{}/a/{token}?{query}", self.pages.public_url)
    }
}

/// `GET /a/{token}` and HEAD: shows a button, because scanners follow links in letters too.
pub(crate) async fn ask(
    site: web::Data<Site>,
    request: HttpRequest,
    text: web::Path<String>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let confirmation = match Confirmation::read(&site, &request, &text, &asked.to).await {
        Ok(confirmation) => confirmation,
        Err(answer) => return answer,
    };
    let translation = confirmation.translation;
    let texts = &translation.texts.preferences;
    let question = filled(&texts.confirm, &[("address", confirmation.to.as_str())]);
    Page::new(&site, translation, &texts.confirm_title)
        .saying(question)
        .with_button(&texts.confirm_button, Vec::new())
        .answer(&site, StatusCode::OK)
}

/// `POST /a/{token}`: changes the address; durable before the answer.
pub(crate) async fn confirm(
    site: web::Data<Site>,
    pages: web::Data<PreferencePages>,
    request: HttpRequest,
    text: web::Path<String>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let Confirmation {
        token,
        to,
        translation,
    } = match Confirmation::read(&site, &request, &text, &asked.to).await {
        Ok(confirmation) => confirmation,
        Err(answer) => return answer,
    };
    let texts = &translation.texts.preferences;
    let (store, now, address) = (site.store.clone(), site.clock.now(), to.clone());
    let is_open = pages.settings.change_address;
    let changed = site
        .ask(async move {
            match is_open {
                true => {
                    store
                        .change_address(token.recipient, token.mark, &address, now)
                        .await
                }
                false => Ok(AddressChange::Stale),
            }
        })
        .await;
    match changed {
        Err(trouble) => not_now(&site, &request, &trouble),
        Ok(AddressChange::Stale) => stale(&site, &request),
        // Asked again, it is as it was wished.
        Ok(AddressChange::Changed | AddressChange::Same) => {
            Page::new(&site, translation, &texts.changed_title)
                .saying(filled(&texts.changed, &[("address", to.as_str())]))
                .answer(&site, StatusCode::OK)
        }
        Ok(AddressChange::Taken | AddressChange::Suppressed) => {
            Page::new(&site, translation, &texts.not_changed_title)
                .saying(&texts.not_changed)
                .answer(&site, StatusCode::CONFLICT)
        }
    }
}

/// A link that holds.
struct Confirmation<'a> {
    token: AddressChangeToken,
    to: EmailAddress,
    translation: &'a Translation,
}

impl<'a> Confirmation<'a> {
    /// Or the answer that tells why not.
    async fn read(site: &'a Site, request: &HttpRequest, text: &str, to: &str) -> Result<Self, HttpResponse> {
        let token = AddressChangeToken::verify(text, to, &site.keys).ok();
        let Some((token, to)) = token.zip(EmailAddress::parse(to).ok()) else {
            return Err(public::broken_link(site, request));
        };
        let (store, now) = (site.store.clone(), site.clock.now());
        let known = site
            .ask(async move { store.preferences(CampaignId(0), token.recipient, now).await })
            .await
            .map_err(|trouble| not_now(site, request, &trouble))?;
        let Some(known) = known else {
            return Err(stale(site, request));
        };
        let translation = public::suiting(site, request, known.language.as_deref());
        let address = &known.recipient.address;
        if AddressMark::of(address) != token.mark && address.key() != to.key() {
            return Err(stale(site, request));
        }
        if token.expires_at <= now {
            let texts = &translation.texts.preferences;
            return Err(Page::new(site, translation, &texts.not_changed_title)
                .saying(&texts.expired)
                .answer(site, StatusCode::GONE));
        }
        Ok(Confirmation {
            token,
            to,
            translation,
        })
    }
}
