//! The newsletters that come with Tidings, to begin with: `tidings template add NAME --starter WHICH`.

use clap::ValueEnum;
use tidings_campaign::template::Source;

/// One of the starter newsletters.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// One thing, said well: a heading, a button, three reasons
    Announcement,
    /// One story in front, more to choose from
    Digest,
    /// What is new, what is better, what is mended
    ProductUpdate,
    /// When, where, the programme and a seat (MJML)
    EventInvitation,
    /// As one person writes to another
    Letter,
}

impl Starter {
    /// All of them.
    pub fn all() -> &'static [Starter] {
        Starter::value_variants()
    }

    /// Its HTML or MJML.
    pub fn html(self) -> &'static str {
        match self {
            Starter::Announcement => include_str!("../../../templates/announcement.html"),
            Starter::Digest => include_str!("../../../templates/digest.html"),
            Starter::ProductUpdate => include_str!("../../../templates/product-update.html"),
            Starter::EventInvitation => include_str!("../../../templates/event-invitation.mjml"),
            Starter::Letter => include_str!("../../../templates/letter.html"),
        }
    }

    /// What it is called on the command line, and what it is for.
    pub fn name_and_purpose(self) -> (String, String) {
        let value = self.to_possible_value().expect("no starter is hidden");
        let purpose = value.get_help().map(ToString::to_string).unwrap_or_default();
        (value.get_name().to_owned(), purpose)
    }

    /// Its subject.
    pub fn subject(self) -> &'static str {
        match self {
            Starter::Announcement => "Dawn is here: wake up with the light",
            Starter::Digest => "The ferry that was never on time, and three more",
            Starter::ProductUpdate => "Search that finds what you meant",
            Starter::EventInvitation => {
                "{{default name \"Friend\"}}, there is a seat for you at the long table"
            }
            Starter::Letter => "A short note, and one question",
        }
    }

    /// A template of it, under a name of one's own.
    pub fn source(self, name: String) -> Source {
        Source {
            name,
            html: self.html().to_owned(),
            text: None,
        }
    }
}

#[cfg(test)]
mod tests;
