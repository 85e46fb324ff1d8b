//! Messages as they go over the wire (RFC 5322, MIME by RFC 2045 and 2046).

pub mod attachment;
mod body;
pub(crate) mod canonical;
pub(crate) mod headers;
mod inline;
mod letter;
mod mailbox;
mod measured;
mod quoted_printable;
mod test_letter;
mod variant;

use crate::eligibility::Mailable;
use crate::ids::{CampaignId, ListId, RecipientId, Seq};
use crate::merge::MergeData;
use crate::recipient::Recipient;
use crate::template::{Content, TemplateError, Templates, Translation, translations};
pub use crate::template::{MAX_MESSAGE, RenderError};
use crate::time::Timestamp;
use crate::token::{
    AddressMark, DeliveryToken, KeyRing, MessageToken, PreferencesToken, UnsubscribeToken, ViewToken,
};
use crate::tracking::{LinkTable, TrackedLink, Tracker, Tracking, TrackingSettings, Utm};
use attachment::{Attachment, EncodedFile};
use body::Body;
use canonical::Canonical;
pub use inline::{FilesError, check_files};
pub use letter::LetterText;
pub use mailbox::{Mailbox, MailboxError};
pub use measured::Measured;
use std::cell::RefCell;
use std::collections::BTreeSet;
use test_letter::NO_TOKEN;
pub use test_letter::{TEST_PREFIX, TestLetter};
use variant::Variant;

/// A list that a campaign goes to, for `List-ID` and `{{list.name}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ListIdentity {
    /// Makes the identifier, which stays the same when the list gets another name.
    pub id: ListId,
    /// Shown to readers.
    pub name: String,
}

/// What is the same for every message of a campaign, besides its content.
#[derive(Clone, Debug)]
pub struct MessageSettings {
    /// The author.
    pub from: Mailbox,
    /// Where answers go, if not to the author.
    pub reply_to: Option<Mailbox>,
    /// The campaign.
    pub campaign: CampaignId,
    /// Its name, for `{{campaign.name}}`.
    pub campaign_name: String,
    /// Its lists, the oldest first. A message names the one by which it comes to its recipient.
    pub lists: Vec<ListIdentity>,
    /// Where this instance is reached from outside, such as `https://news.example.com`.
    pub public_url: String,
    /// The domain of return paths, where bounces arrive.
    pub return_path_domain: String,
    /// The sender's stable identifier at the end of `Feedback-ID`.
    pub sender_id: String,
    /// What becomes of the links.
    pub tracking: TrackingSettings,
}

/// What the relay can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEncoding {
    /// No 8BITMIME: everything in ASCII.
    SevenBit,
    /// The relay announced 8BITMIME (RFC 6152).
    EightBit,
}

/// What a finished message asks of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    /// There are octets above 127, so `BODY=8BITMIME` must be said.
    pub eight_bit: bool,
}

/// Makes the messages of one campaign. Everything that is the same for all of them is done when it is made.
#[derive(Debug)]
pub struct MessageFactory {
    /// The newsletter for everybody whose language has no translation.
    fallback: Variant,
    translations: Vec<Variant>,
    /// The attribute that names a recipient's language.
    language_attribute: String,
    /// What every message carries.
    attachments: Vec<EncodedFile>,
    settings: MessageSettings,
    keys: KeyRing,
    /// `From` and `Reply-To`.
    author_fields: Vec<u8>,
    /// For each list its fields, `Feedback-ID` and what else never changes; without lists, what there is then.
    constant_fields: Vec<Vec<u8>>,
    /// The public URL up to the token.
    unsubscribe_base: String,
    /// The same of the newsletter in a browser.
    view_base: String,
    /// The same of what is stored of the recipient.
    preferences_base: String,
    tracker: Tracker,
    links: LinkTable,
}

/// The newsletter in a recipient's language, and what is written of that language in the attribute; nothing for the
/// fallback.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    variant: &'a Variant,
    language: Option<&'a str>,
}

/// Buffers that every thread keeps from message to message.
#[derive(Default)]
struct Scratch {
    subject: Canonical,
    text: Canonical,
    html: Canonical,
    unsubscribe_url: String,
    view_url: String,
    preferences_url: String,
    date: (Option<i64>, String),
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl MessageFactory {
    /// Compiles the content of a newsletter in one language and without files. Refuses one without an unsubscribe link.
    pub fn new(content: &Content, settings: MessageSettings, keys: KeyRing) -> Result<Self, TemplateError> {
        let public_url = settings.public_url.trim_end_matches('/').to_owned();
        let mut links = settings
            .tracking
            .kept
            .clone()
            .map_or_else(LinkTable::default, LinkTable::kept);
        let tracker = Tracker {
            mode: settings.tracking.mode,
            utm: settings.tracking.utm.clone(),
            campaign: settings.campaign,
            public_url: public_url.clone(),
            keys: keys.clone(),
        };
        let fallback = Variant::new(None, content, &tracker, &mut links)?;
        let mut author_fields = Vec::new();
        headers::push_mailbox("From", &settings.from, &mut author_fields);
        if let Some(reply_to) = &settings.reply_to {
            headers::push_mailbox("Reply-To", reply_to, &mut author_fields);
        }
        Ok(MessageFactory {
            fallback,
            translations: Vec::new(),
            language_attribute: String::new(),
            attachments: Vec::new(),
            author_fields,
            constant_fields: match settings.lists.as_slice() {
                [] => vec![constant_fields(&settings, None)],
                lists => lists
                    .iter()
                    .map(|list| constant_fields(&settings, Some(list)))
                    .collect(),
            },
            unsubscribe_base: format!("{public_url}/u/"),
            view_base: format!("{public_url}/v/"),
            preferences_base: format!("{public_url}/p/"),
            tracker,
            links,
            settings,
            keys,
        })
    }

    /// Adds translations, of which each recipient gets the one that suits the attribute's value (see
    /// [`lookup`](crate::language::lookup)), or the fallback. Each must have an unsubscribe link.
    pub fn translated(
        mut self,
        translations: &[Translation],
        attribute: &str,
    ) -> Result<Self, TemplateError> {
        for Translation { language, content } in translations {
            let variant = Variant::new(Some(language), content, &self.tracker, &mut self.links)?;
            self.translations.push(variant);
        }
        attribute.clone_into(&mut self.language_attribute);
        Ok(self)
    }

    /// Adds the campaign's files: attachments for every message, and for each language the images that it shows.
    /// Refuses a reference without an image, and an image without a reference.
    pub fn with_files(mut self, files: &[Attachment]) -> Result<Self, FilesError> {
        inline::check_alone(files)?;
        let encoded: Vec<EncodedFile> = files.iter().map(Attachment::encode).collect();
        let mut anywhere = BTreeSet::new();
        for variant in std::iter::once(&mut self.fallback).chain(&mut self.translations) {
            let shown = inline::shown(&variant.references, files)
                .map_err(|error| error.in_language(variant.language.as_ref()))?;
            variant.images = shown.iter().map(|&at| encoded[at].clone()).collect();
            anywhere.extend(shown);
        }
        inline::check_shown(&anywhere, files)?;
        let attached = files
            .iter()
            .zip(encoded)
            .filter(|(file, _)| file.content_id().is_none());
        self.attachments = attached.map(|(_, encoded)| encoded).collect();
        Ok(self)
    }

    /// The newsletter in the language of this recipient.
    fn chosen_for<'a>(&'a self, recipient: &'a Recipient) -> Chosen<'a> {
        let languages = self
            .translations
            .iter()
            .filter_map(|variant| variant.language.as_ref());
        // Most newsletters have no translations: the attribute is not looked for.
        let found = match self.translations.as_slice() {
            [] => None,
            _ => translations::chosen(recipient, &self.language_attribute, languages),
        };
        match found {
            Some((at, wanted)) => Chosen {
                variant: &self.translations[at],
                language: Some(wanted),
            },
            None => Chosen {
                variant: &self.fallback,
                language: None,
            },
        }
    }

    /// Writes the message for one recipient into `out`, which is cleared first: lines end with CRLF, none has more than
    /// 998 octets, dots are not doubled. The same recipient gets the same octets for the same date and encoding.
    pub fn build(
        &self,
        to: &Mailable,
        date: Timestamp,
        encoding: BodyEncoding,
        out: &mut Vec<u8>,
    ) -> Result<Built, RenderError> {
        self.build_attaching(to, None, date, encoding, out)
    }

    /// The same with a file of the recipient's own.
    pub fn build_attaching(
        &self,
        to: &Mailable,
        own: Option<&EncodedFile>,
        date: Timestamp,
        encoding: BodyEncoding,
        out: &mut Vec<u8>,
    ) -> Result<Built, RenderError> {
        let list = self.place_of(to.list());
        self.build_for((to.recipient(), list), None, own, date, encoding, out)
    }

    /// Where a list stands among the campaign's; of one that is not there any more, the first.
    fn place_of(&self, list: ListId) -> usize {
        let place = self.settings.lists.iter().position(|known| known.id == list);
        place.unwrap_or_default()
    }

    /// The message as this recipient would get it by the first list, to be looked at. To send one takes a [`Mailable`].
    pub fn preview(&self, recipient: &Recipient, date: Timestamp) -> Result<Vec<u8>, RenderError> {
        let mut out = Vec::new();
        self.build_for((recipient, 0), None, None, date, BodyEncoding::EightBit, &mut out)?;
        Ok(out)
    }

    /// The message as a recipient would get it, for somebody who tries the newsletter: in ASCII, so that every relay can carry
    /// it, named as a test, and with links that do nothing to the recipient.
    pub fn test_letter(&self, test: TestLetter<'_>, date: Timestamp) -> Result<Vec<u8>, RenderError> {
        let mut out = Vec::new();
        let encoding = BodyEncoding::SevenBit;
        self.build_for((test.merged_for, 0), Some(test), None, date, encoding, &mut out)?;
        Ok(out)
    }

    /// `list`: where the list stands by which it comes.
    fn build_for(
        &self,
        (recipient, list): (&Recipient, usize),
        test: Option<TestLetter<'_>>,
        own: Option<&EncodedFile>,
        date: Timestamp,
        encoding: BodyEncoding,
        out: &mut Vec<u8>,
    ) -> Result<Built, RenderError> {
        out.clear();
        let chosen = self.chosen_for(recipient);
        let build = |scratch: &mut Scratch| {
            let id = self.push_header(scratch, chosen, (recipient, list, test), date, out)?;
            let body = Body {
                id: &id,
                text: &scratch.text,
                html: &scratch.html,
                images: &chosen.variant.images,
                attachments: &self.attachments,
                own,
            };
            let eight_bit = body.push(encoding, out);
            if out.len() > MAX_MESSAGE {
                return Err(RenderError::TooLarge);
            }
            // A local part beyond ASCII (RFC 6532) makes the header 8-bit whatever the body is.
            Ok(Built {
                eight_bit: eight_bit || recipient.address.needs_smtputf8(),
            })
        };
        SCRATCH
            .with_borrow_mut(build)
            .map_err(|error| error.in_language(chosen.variant.language.as_ref()))
    }

    /// Merges all parts, and writes the header up to the fields of the body. Returns the identifier of the message.
    fn push_header(
        &self,
        scratch: &mut Scratch,
        chosen: Chosen<'_>,
        (recipient, list, test): (&Recipient, usize, Option<TestLetter<'_>>),
        date: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<String, RenderError> {
        let Chosen { variant, language } = chosen;
        let templates = &variant.templates;
        let token_at = self.unsubscribe_base.len();
        match test {
            None => self.sign_links(templates, recipient, scratch),
            Some(_) => self.name_harmless_links(scratch),
        }
        let data = MergeData {
            recipient,
            unsubscribe_url: &scratch.unsubscribe_url,
            view_url: &scratch.view_url,
            preferences_url: &scratch.preferences_url,
            campaign_name: &self.settings.campaign_name,
            campaign_subject: None,
            list_name: self.settings.lists.get(list).map(|list| list.name.as_str()),
            language,
        };
        let subject = templates.render_subject(&data, &mut scratch.subject)?;
        let data = MergeData {
            campaign_subject: Some(&subject),
            ..data
        };
        // First the HTML: where the text is made from it, what is wrong is found in what the author has written.
        templates.render_html(&data, &mut scratch.html)?;
        templates.render_text(&data, &mut scratch.text)?;
        scratch.text.finish();
        scratch.html.finish();

        let id = test.map_or_else(|| self.message_token(recipient.id), |test| test.id.to_owned());
        put(
            out,
            &[
                "Message-ID: <",
                &id,
                "@",
                self.settings.from.address.domain(),
                ">\r\nDate: ",
            ],
        );
        put(out, &[date_text(&mut scratch.date, date), "\r\n"]);
        out.extend_from_slice(&self.author_fields);
        match test {
            None => {
                headers::push_phrase("To", &recipient.name, recipient.address.as_str(), out);
                headers::push_text("Subject", &subject, out);
            }
            Some(test) => {
                headers::push_phrase("To", "", test.to.as_str(), out);
                headers::push_text("Subject", &format!("{TEST_PREFIX}{subject}"), out);
            }
        }
        let token = &scratch.unsubscribe_url[token_at..];
        put(
            out,
            &[
                "List-Unsubscribe: <",
                &scratch.unsubscribe_url,
                ">,\r\n <mailto:u-",
                token,
                "@",
            ],
        );
        put(
            out,
            &[&self.settings.return_path_domain, "?subject=unsubscribe>\r\n"],
        );
        out.extend_from_slice(&self.constant_fields[list]);
        out.extend_from_slice(&variant.language_field);
        Ok(id)
    }

    /// Links where the recipient's own would stand, which lead to nobody.
    fn name_harmless_links(&self, scratch: &mut Scratch) {
        for (url, base) in [
            (&mut scratch.unsubscribe_url, &self.unsubscribe_base),
            (&mut scratch.view_url, &self.view_base),
            (&mut scratch.preferences_url, &self.preferences_base),
        ] {
            url.clear();
            url.push_str(base);
            url.push_str(NO_TOKEN);
        }
    }

    /// Makes the recipient's own links; of those that a newsletter may do without only what it says.
    fn sign_links(&self, templates: &Templates, recipient: &Recipient, scratch: &mut Scratch) {
        let campaign = self.settings.campaign;
        scratch.unsubscribe_url.clear();
        scratch.unsubscribe_url.push_str(&self.unsubscribe_base);
        UnsubscribeToken {
            campaign,
            recipient: recipient.id,
        }
        .sign_into(&self.keys, &mut scratch.unsubscribe_url);
        scratch.view_url.clear();
        if templates.needs_view_url {
            scratch.view_url.push_str(&self.view_base);
            ViewToken {
                campaign,
                recipient: recipient.id,
            }
            .sign_into(&self.keys, &mut scratch.view_url);
        }
        scratch.preferences_url.clear();
        if templates.needs_preferences_url {
            scratch.preferences_url.push_str(&self.preferences_base);
            PreferencesToken {
                campaign,
                recipient: recipient.id,
                mark: AddressMark::of(&recipient.address),
            }
            .sign_into(&self.keys, &mut scratch.preferences_url);
        }
    }

    /// What becomes of the links.
    pub fn tracking(&self) -> Tracking {
        self.settings.tracking.mode
    }

    /// What is added to the links' addresses.
    pub fn utm(&self) -> &Utm {
        &self.settings.tracking.utm
    }

    /// The tracked links of all languages, by number.
    pub fn links(&self) -> &[TrackedLink] {
        self.links.links()
    }

    /// The domain of the sender's address.
    pub fn sender_domain(&self) -> &str {
        self.settings.from.address.domain()
    }

    /// The envelope's sender for a delivery: a bounce to it finds its delivery. The local part has at most 58 octets.
    pub fn return_path(&self, seq: Seq) -> String {
        let mut path = String::with_capacity(64 + self.settings.return_path_domain.len());
        path.push_str("b-");
        DeliveryToken {
            campaign: self.settings.campaign,
            seq,
        }
        .sign_into(&self.keys, &mut path);
        path.push('@');
        path.push_str(&self.settings.return_path_domain);
        path
    }

    /// The Message-ID with its angle brackets: the same for every attempt, and not to be guessed from another one.
    pub fn message_id(&self, recipient: RecipientId) -> String {
        format!(
            "<{}@{}>",
            self.message_token(recipient),
            self.settings.from.address.domain()
        )
    }

    /// The unsubscribe link that the recipient's message carries.
    pub fn unsubscribe_url(&self, recipient: RecipientId) -> String {
        let token = UnsubscribeToken {
            campaign: self.settings.campaign,
            recipient,
        };
        format!("{}{}", self.unsubscribe_base, token.sign(&self.keys))
    }

    fn message_token(&self, recipient: RecipientId) -> String {
        MessageToken {
            campaign: self.settings.campaign,
            recipient,
        }
        .sign(&self.keys)
    }
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn constant_fields(settings: &MessageSettings, list: Option<&ListIdentity>) -> Vec<u8> {
    let mut fields = Vec::new();
    // RFC 8058: with this, mailbox providers show an unsubscribe button of their own.
    put(
        &mut fields,
        &["List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"],
    );
    let mut list_id = "-".to_owned();
    if let Some(list) = list {
        list_id = format!("list-{}", list.id);
        let identifier = format!("{list_id}.{}", settings.from.address.domain());
        headers::push_phrase("List-ID", &list.name, &identifier, &mut fields);
    }
    let feedback = format!(
        "campaign-{}:{list_id}:newsletter:{}",
        settings.campaign,
        feedback_word(&settings.sender_id)
    );
    put(&mut fields, &["Feedback-ID: ", &feedback, "\r\n"]);
    // No mailbox provider asks for it, but older vacation responders look for nothing else before they answer.
    put(&mut fields, &["Precedence: bulk\r\nMIME-Version: 1.0\r\n"]);
    fields
}

/// A field of `Feedback-ID`: what separates the fields must not occur in one.
fn feedback_word(text: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '-'
        }
    };
    let word: String = text.chars().map(safe).take(40).collect();
    if word.is_empty() {
        "tidings".to_owned()
    } else {
        word
    }
}

/// The date as RFC 5322 wants it, in UTC. Formatted once a second.
fn date_text(last: &mut (Option<i64>, String), date: Timestamp) -> &str {
    if last.0 != Some(date.seconds()) {
        *last = (
            Some(date.seconds()),
            date.to_jiff().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        );
    }
    &last.1
}

#[cfg(test)]
mod tests;
