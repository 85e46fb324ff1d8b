//! What a recipient may choose at the link of a message, and what they may say about it.

use std::time::Duration;

/// The longest comment that is kept, in characters.
pub const LONGEST_COMMENT: usize = 500;

/// What somebody who holds the link of a message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// No more mail.
    Leave(Scope),
    /// No mail from any list for a while.
    Pause(PauseLength),
    /// Everything as it was before they chose.
    ComeBack,
}

/// What an unsubscribe is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The lists of the campaign whose link was used.
    #[default]
    Lists,
    /// All lists that there are.
    All,
}

/// How long a pause lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseLength {
    /// 28 days.
    FourWeeks,
    /// 56 days.
    EightWeeks,
    /// 84 days.
    TwelveWeeks,
}

/// Why, in a word that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Mail comes too often.
    TooMany,
    /// It is about other things than expected.
    NotRelevant,
    /// The recipient does not remember having signed up.
    NeverSignedUp,
    /// Something else, which the comment may say.
    Other,
}

/// What a recipient says of a choice; nothing of it is required.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    reason: Option<Reason>,
    comment: Option<String>,
}

impl Choice {
    /// All, in the order in which they are offered; the way back is not among them.
    pub const OFFERED: [Choice; 5] = [
        Choice::Leave(Scope::Lists),
        Choice::Leave(Scope::All),
        Choice::Pause(PauseLength::FourWeeks),
        Choice::Pause(PauseLength::EightWeeks),
        Choice::Pause(PauseLength::TwelveWeeks),
    ];

    /// The word for it in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Choice::Leave(scope) => scope.as_str(),
            Choice::Pause(PauseLength::FourWeeks) => "pause_4",
            Choice::Pause(PauseLength::EightWeeks) => "pause_8",
            Choice::Pause(PauseLength::TwelveWeeks) => "pause_12",
            Choice::ComeBack => "back",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Choice> {
        let mut all = Choice::OFFERED.into_iter().chain([Choice::ComeBack]);
        all.find(|choice| choice.as_str() == word)
    }
}

impl Scope {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Lists => "lists",
            Scope::All => "all",
        }
    }
}

impl PauseLength {
    /// In weeks.
    pub const fn weeks(self) -> u64 {
        match self {
            PauseLength::FourWeeks => 4,
            PauseLength::EightWeeks => 8,
            PauseLength::TwelveWeeks => 12,
        }
    }

    /// As a span of time.
    pub const fn span(self) -> Duration {
        Duration::from_secs(self.weeks() * 7 * 86_400)
    }
}

impl Reason {
    /// All, in the order in which they are offered.
    pub const ALL: [Reason; 4] = [
        Reason::TooMany,
        Reason::NotRelevant,
        Reason::NeverSignedUp,
        Reason::Other,
    ];

    /// As it stands in forms, exports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::TooMany => "too_many",
            Reason::NotRelevant => "not_relevant",
            Reason::NeverSignedUp => "never_signed_up",
            Reason::Other => "other",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl Said {
    /// From what stands in a form. The comment becomes one line without control characters of at most
    /// [`LONGEST_COMMENT`] characters; a word that is no reason is passed over.
    pub fn new(reason: &str, comment: &str) -> Said {
        let words = comment.split(|c: char| c.is_whitespace() || c.is_control());
        let mut line = words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        if let Some((end, _)) = line.char_indices().nth(LONGEST_COMMENT) {
            line.truncate(end);
        }
        Said {
            reason: Reason::parse(reason),
            comment: (!line.is_empty()).then_some(line),
        }
    }

    /// Why, if that was said.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// In the recipient's own words, if there are some.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_and_reason_has_its_own_word() {
        for choice in Choice::OFFERED.into_iter().chain([Choice::ComeBack]) {
            assert_eq!(Choice::parse(choice.as_str()), Some(choice));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!((Choice::parse("pause_5"), Reason::parse("")), (None, None));
    }

    #[test]
    fn a_comment_becomes_one_bounded_line() {
        let said = Said::new("too_many", "  every\r\nday,\u{0} twice\t ");
        assert_eq!(
            (said.reason(), said.comment()),
            (Some(Reason::TooMany), Some("every day, twice"))
        );
        let long = Said::new("", &"ü".repeat(LONGEST_COMMENT + 1));
        assert_eq!(long.comment().unwrap().chars().count(), LONGEST_COMMENT);
        assert_eq!(Said::new("bored", " \n"), Said::default());
    }
}
