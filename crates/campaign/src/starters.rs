//! The newsletters that come with Tidings, to begin with: `tidings template add NAME --starter WHICH`, and the dashboard's page
//! of templates.

use crate::template::Source;

/// What a template begins with that begins with nothing: a whole message that can be sent.
pub const EMPTY: &str = include_str!("../../../templates/empty.html");

/// One of the starter newsletters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// One thing, said well.
    Announcement,
    /// One story in front.
    Digest,
    /// What is new.
    ProductUpdate,
    /// When and where; in MJML.
    EventInvitation,
    /// From one person to another.
    Letter,
}

impl Starter {
    /// All of them.
    pub fn all() -> &'static [Starter] {
        &[
            Starter::Announcement,
            Starter::Digest,
            Starter::ProductUpdate,
            Starter::EventInvitation,
            Starter::Letter,
        ]
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

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Starter> {
        Starter::all()
            .iter()
            .copied()
            .find(|starter| starter.name() == name)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Starter::Announcement => "announcement",
            Starter::Digest => "digest",
            Starter::ProductUpdate => "product-update",
            Starter::EventInvitation => "event-invitation",
            Starter::Letter => "letter",
        }
    }

    /// What it is for.
    pub fn purpose(self) -> &'static str {
        match self {
            Starter::Announcement => "One thing, said well: a heading, a button, three reasons",
            Starter::Digest => "One story in front, more to choose from",
            Starter::ProductUpdate => "What is new, what is better, what is mended",
            Starter::EventInvitation => "When, where, the programme and a seat (MJML)",
            Starter::Letter => "As one person writes to another",
        }
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
