//! What is to be shown: the fields of the form, whatever else it has.

use super::Fault;
use crate::routes::writing::Form;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::language::Language;
use tidings_campaign::template::{Source, check_name};
use tidings_store::own_content::own_name;
use url::form_urlencoded;

/// How a template is called that has no name yet.
const NAMELESS: &str = "new";
/// Letters of a field of one line at most.
const LONGEST_LINE: usize = 1000;

/// How a newsletter is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Desktop,
    /// 375 pixels wide.
    Phone,
    /// As by somebody who likes it dark.
    Dark,
    Text,
    /// The whole message, as it goes out.
    Source,
}

impl Look {
    fn parse(word: &str) -> Look {
        match word {
            "phone" => Look::Phone,
            "dark" => Look::Dark,
            "text" => Look::Text,
            "source" => Look::Source,
            _ => Look::Desktop,
        }
    }
}

/// The form.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// A template; if empty, that of the template `name`.
    pub(super) subject: String,
    /// If there is none, the template `name` is shown as it is kept.
    pub(super) html: Option<String>,
    pub(super) text: Option<String>,
    /// That of the HTML, and as if it were the recipient's.
    pub(super) language: Option<Language>,
    pub(super) name: String,
    /// `Name <address>`; if empty, that of the campaign.
    pub(super) sender: String,
    /// An address; if empty, the first recipient of the list, or somebody made up.
    pub(super) recipient: String,
    /// A list's name; if empty, the first of the campaign.
    pub(super) list: String,
    pub(super) campaign: Option<CampaignId>,
    pub(super) look: Look,
    /// The form of a whole campaign, if it is one: then this says what is shown, and not the fields above.
    pub(super) writing: Option<Form>,
}

impl Asked {
    /// Reads the fields; of one that is there more than once, the first.
    pub(super) fn parse(body: &[u8]) -> Result<Asked, Fault> {
        let field = |wanted: &str| {
            let mut fields = form_urlencoded::parse(body);
            fields.find(|(name, _)| name == wanted).map(|(_, value)| value)
        };
        let line = |wanted: &str| -> String {
            let value = field(wanted).unwrap_or_default();
            value.trim().chars().take(LONGEST_LINE).collect()
        };
        let language = match line("language").as_str() {
            "" => None,
            tag => {
                Some(Language::parse(tag).map_err(|error| Fault::of_field("language", format!("{error}.")))?)
            }
        };
        let campaign = line("campaign").parse().ok().map(CampaignId);
        let writing = (line("writing") == "campaign").then(|| Form::read(body));
        let name = match (&writing, line("name")) {
            (Some(_), _) => own_name(campaign.unwrap_or(CampaignId(0))),
            (None, name) if check_name(&name).is_ok() => name,
            (None, _) => NAMELESS.to_owned(),
        };
        let text = field("text").map(|text| with_lines(&text));
        Ok(Asked {
            subject: field("subject").unwrap_or_default().trim().to_owned(),
            html: field("html").map(|html| with_lines(&html)),
            text: text.filter(|text| !text.trim().is_empty()),
            language,
            name,
            sender: line("sender"),
            recipient: line("recipient"),
            list: line("list"),
            campaign,
            look: Look::parse(&line("look")),
            writing,
        })
    }

    /// What was written, as a template.
    pub(super) fn source(&self) -> Option<Source> {
        self.html.as_ref().map(|html| Source {
            name: self.name.clone(),
            html: html.clone(),
            text: self.text.clone(),
        })
    }
}

/// Browsers send CRLF between lines; templates are kept with LF, as files are.
pub(crate) fn with_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_is_to_be_shown_and_other_fields_do_not_matter() {
        let body =
            b"csrf=x&html=a%0D%0Ab&text=%20&list=one&list=two&look=dark&campaign=7&name=%3F&subject=+Hi+";
        let asked = Asked::parse(body).unwrap();
        assert_eq!(asked.html.as_deref(), Some("a\nb"));
        assert_eq!(asked.text, None, "an empty field is no text of its own");
        assert_eq!((asked.list.as_str(), asked.look), ("one", Look::Dark));
        assert_eq!(
            (asked.campaign, asked.name.as_str()),
            (Some(CampaignId(7)), NAMELESS)
        );
        assert_eq!(asked.subject, "Hi");
        let nothing = Asked::parse(b"").unwrap();
        assert_eq!((nothing.source(), nothing.look), (None, Look::Desktop));
        assert!(Asked::parse(b"language=german").is_err());
    }
}
