//! A newsletter that somebody tries: the message as a recipient would get it, sent to somebody else.

use crate::address::EmailAddress;
use crate::recipient::Recipient;

/// What stands before the subject.
pub const TEST_PREFIX: &str = "[Test] ";
/// What stands in links where a token of the recipient would: nobody can unsubscribe somebody, or change what is stored of them, by
/// a test letter.
pub(super) const NO_TOKEN: &str = "test";

/// To whom a test letter goes.
#[derive(Clone, Copy, Debug)]
pub struct TestLetter<'a> {
    /// Whose values are merged.
    pub merged_for: &'a Recipient,
    /// Who gets it.
    pub to: &'a EmailAddress,
    /// Letters and digits that nobody can guess; with the domain of the author they make the Message-ID.
    pub id: &'a str,
}
