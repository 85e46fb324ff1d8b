//! Signing up for lists: how it is configured, who a visitor is, and what form and letter say.

use crate::hits::{PerSpan, address, user_agent};
use crate::pages::Pages;
use crate::public::brand::Brand;
use crate::public::catalogue::{Catalogue, Texts, Translation, filled};
use crate::public::{AskedField, SignUpFields};
use actix_web::HttpRequest;
use ipnet::{IpNet, Ipv6Net};
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::ListId;
use tidings_campaign::letter::LetterCaps;
use tidings_campaign::message::{LetterText, Mailbox};
use tidings_campaign::sign_up::{Field, NAME, SignUpForm, text_digest};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::KeyRing;
use tidings_store::sign_ups::Visitor;

/// How sign-ups are taken.
#[derive(Clone, Debug)]
pub struct SignUpSettings {
    /// How many letters strangers may cause.
    pub caps: LetterCaps,
    /// How long the link in a letter is valid.
    pub link_valid: Duration,
    /// So many bits of an IPv6 address are one network: 48 to 64.
    pub ipv6_prefix: u8,
    /// What is kept of the network address in the proof of consent.
    pub networks: NetworksKept,
}

impl Default for SignUpSettings {
    fn default() -> Self {
        SignUpSettings {
            caps: LetterCaps::default(),
            link_valid: Duration::from_secs(3 * 86_400),
            // What a provider gives to one customer, as a rule.
            ipv6_prefix: 56,
            networks: NetworksKept::Hash,
        }
    }
}

/// What is kept of a network address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworksKept {
    /// The address as it is.
    Address,
    /// A word for it that only this installation can make: enough to tell whether another address is the same.
    Hash,
    /// Nothing.
    Nothing,
}

/// So many posts of one network in a minute come as far as the database.
const POSTS_PER_MINUTE: u32 = 60;
/// Places that networks share by their hashes.
const PLACES: usize = 1 << 14;

/// What the handlers of sign-ups share.
pub(crate) struct SignUps {
    pub(crate) settings: SignUpSettings,
    /// Without a slash at the end.
    pub(crate) public_url: String,
    trusted_proxies: Vec<IpNet>,
    posts: PerSpan,
}

impl SignUps {
    pub(crate) fn new(settings: SignUpSettings, public_url: &str, trusted_proxies: Vec<IpNet>) -> Self {
        SignUps {
            settings,
            public_url: public_url.trim_end_matches('/').to_owned(),
            trusted_proxies,
            posts: PerSpan::new(
                POSTS_PER_MINUTE,
                PLACES,
                "posts of sign-ups a minute from one network were refused",
            ),
        }
    }

    /// Who asks, as far as it is kept.
    pub(crate) fn visitor(&self, request: &HttpRequest, keys: &KeyRing) -> Visitor {
        let network = address(request, &self.trusted_proxies).map(|address| address.to_string());
        let network = network.and_then(|address| match self.settings.networks {
            NetworksKept::Address => Some(address),
            NetworksKept::Hash => Some(keys.pseudonym(&address)),
            NetworksKept::Nothing => None,
        });
        Visitor {
            network,
            user_agent: user_agent(request.headers()),
        }
    }

    /// The network of whoever asks, for counting what it causes: an IPv4 address, or a range of IPv6.
    pub(crate) fn network(&self, request: &HttpRequest) -> Option<String> {
        let address = address(request, &self.trusted_proxies)?;
        Some(network_of(address, self.settings.ipv6_prefix))
    }

    /// The same as letters are kept with it.
    pub(crate) fn network_of_letters(&self, request: &HttpRequest, keys: &KeyRing) -> Option<String> {
        let network = self.network(request)?;
        Some(keys.pseudonym(&network))
    }

    /// Whether a network may ask once more in this minute.
    pub(crate) fn admits(&self, network: Option<&str>, now: Timestamp) -> bool {
        self.posts.admits(network, now.minute())
    }
}

/// The network of an address, for counting: an IPv4 address, or a range of IPv6 of this prefix.
pub(crate) fn network_of(address: IpAddr, prefix: u8) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let range = Ipv6Net::new(address, prefix).expect("the prefix was checked");
            range.trunc().to_string()
        }
    }
}

/// What people agree to.
pub(crate) fn consent(texts: &Texts, list: &str, form: &SignUpForm) -> String {
    let ours = || filled(&texts.sign_up_text, &[("list", list)]);
    form.text.clone().unwrap_or_else(ours)
}

/// The form, with what was written into it.
pub(crate) fn fields<'a>(
    translation: &Translation,
    (list, form): (&str, &SignUpForm),
    written: impl Fn(&str) -> Option<&'a str>,
    stands: &'static str,
) -> SignUpFields {
    let texts = &translation.texts;
    let text = consent(texts, list, form);
    let asked = |field: &Field| {
        let is_name = field.attribute == NAME;
        let label = match (is_name, field.label.as_str()) {
            (true, "") => texts.name_label.clone(),
            (_, label) => label.to_owned(),
        };
        AskedField {
            attribute: field.attribute.clone(),
            label,
            value: written(&field.attribute).unwrap_or_default().to_owned(),
            is_name,
        }
    };
    SignUpFields {
        address_label: texts.address_label.clone(),
        address: written("email").unwrap_or_default().to_owned(),
        problem: None,
        fields: form.fields.iter().map(asked).collect(),
        trap_label: texts.trap_label.clone(),
        text_digest: text_digest(&text),
        text,
        language: translation.language.to_string(),
        form: stands,
        button: texts.sign_up_button.clone(),
    }
}

/// The form as HTML that an operator can put into a page of their own, in the language that suits the tag best.
pub fn embeddable_form(
    public_url: &str,
    (id, name): (ListId, &str),
    form: &SignUpForm,
    language: &str,
) -> String {
    #[derive(Serialize)]
    struct Embedded {
        action: String,
        fields: SignUpFields,
    }
    let catalogue = Catalogue::new();
    let translation = catalogue.accepted(language);
    let embedded = Embedded {
        action: format!("{}/s/{id}", public_url.trim_end_matches('/')),
        fields: fields(translation, (name, form), |_| None, "embedded"),
    };
    Pages::new().render("sign_up_form", &embedded)
}

/// What an opt-in letter is about.
pub(crate) struct OptIn<'a> {
    pub(crate) from: &'a Mailbox,
    pub(crate) to: &'a EmailAddress,
    pub(crate) name: &'a str,
    pub(crate) list: &'a str,
    /// The link that leads to the confirmation.
    pub(crate) url: &'a str,
    pub(crate) expires_at: Timestamp,
}

impl OptIn<'_> {
    /// The whole message.
    pub(crate) fn compose(
        &self,
        (pages, brand, translation): (&Pages, &Brand, &Translation),
        id: &str,
        now: Timestamp,
    ) -> Vec<u8> {
        #[derive(Serialize)]
        struct Html<'a> {
            language: String,
            subject: &'a str,
            brand: Option<&'a str>,
            postal_address: Option<&'a str>,
            ask: &'a str,
            url: &'a str,
            button: &'a str,
            until: &'a str,
            ignore: &'a str,
        }
        let texts = &translation.texts;
        let with_list = |text: &str| filled(text, &[("list", self.list)]);
        let subject = with_list(&texts.letter_subject);
        let ask = with_list(&texts.letter_ask);
        let until = filled(&texts.letter_until, &[("date", &texts.day(self.expires_at))]);
        let html = pages.render(
            "letter",
            &Html {
                language: translation.language.to_string(),
                subject: &subject,
                brand: brand.name(),
                postal_address: brand.postal_address(),
                ask: &ask,
                url: self.url,
                button: &texts.letter_button,
                until: &until,
                ignore: &texts.letter_ignore,
            },
        );
        let paragraphs = [&ask, self.url, &until, &texts.letter_ignore];
        let signature = [brand.name(), brand.postal_address()];
        let mut text = paragraphs.join("\n\n");
        for line in signature.into_iter().flatten() {
            text.push_str("\n\n");
            text.push_str(line);
        }
        text.push('\n');
        let letter = LetterText {
            from: self.from,
            to: self.to,
            name: self.name,
            language: Some(&translation.language),
            subject: &subject,
            text: &text,
            html: &html,
        };
        letter.compose(id, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_of_ipv4_or_a_range_of_ipv6() {
        let of = |text: &str, prefix| network_of(text.parse().unwrap(), prefix);
        assert_eq!(of("192.0.2.7", 56), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2ff::1", 56), of("2001:db8:1:200:9::", 56));
        assert_ne!(of("2001:db8:1:2ff::1", 64), of("2001:db8:1:200::", 64));
    }

    #[test]
    fn the_embeddable_form_shows_what_its_digest_names_and_escapes_what_it_holds() {
        let asked = vec![
            Field::parse("name").unwrap(),
            Field::parse("city=<City>").unwrap(),
        ];
        let form = SignUpForm::new("news@example.com", asked, None, vec![]).unwrap();
        let list = (ListId(7), "News & <more>");
        let html = embeddable_form("https://news.example.com/", list, &form, "de-AT");
        for part in [
            "action=\"https://news.example.com/s/7\"",
            "„News &amp; &lt;more&gt;“",
            "&lt;City&gt;",
            "Ihr Name",
            "<div hidden>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        let texts = &Catalogue::new();
        let text = consent(&texts.accepted("de").texts, list.1, &form);
        assert!(html.contains(&text_digest(&text)));
        assert!(!html.contains("<script"));
    }

    #[test]
    fn the_mail_of_a_list_called_so_breaks_nothing() {
        let catalogue = Catalogue::new();
        let letter = OptIn {
            from: &Mailbox::parse("news@example.com").unwrap(),
            to: &EmailAddress::parse("ann@example.org").unwrap(),
            name: "",
            list: "<b>News</b>",
            url: "https://news.example.com/opt-in/abc",
            expires_at: Timestamp::from_seconds(1_800_000_000),
        };
        let parts = (&Pages::new(), &Brand::default(), catalogue.accepted("en"));
        let message = letter.compose(parts, "c0ffee", Timestamp::from_seconds(1_799_000_000));
        let message = String::from_utf8(message).unwrap().replace("=\r\n", "");
        let html = message.split("text/html").nth(1).unwrap();
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;News"), "{html}");
        assert_eq!(message.matches("https://news.example.com/opt-in/abc").count(), 3);
        assert!(message.contains("15 January 2027"));
    }
}
