//! How far a message had got when it was refused.

use crate::rules::{LONGEST_TEXT, cut};
use serde::Deserialize;

/// What a server had been told when it refused. It cannot have refused what it did not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Only who connects: neither a sender nor a recipient had been named.
    Greeting,
    /// The sender (MAIL).
    Sender,
    /// The recipient (RCPT).
    Recipient,
    /// The recipient had been taken; then came DATA or the message itself.
    Message,
}

/// What Postfix, Exim, qmail, DragonFly and mFILTER write beside a reply, in lower case.
const MARKS: [(&str, Stage); 28] = [
    ("refused to talk to me", Stage::Greeting),
    ("reply to helo", Stage::Greeting),
    ("reply to ehlo", Stage::Greeting),
    ("reply to lhlo", Stage::Greeting),
    ("server after initial connection", Stage::Greeting),
    ("server after helo", Stage::Greeting),
    ("server after ehlo", Stage::Greeting),
    ("but greeting failed", Stage::Greeting),
    ("but my name was rejected", Stage::Greeting),
    ("did not like our helo", Stage::Greeting),
    ("did not like our ehlo", Stage::Greeting),
    ("reply to mail from", Stage::Sender),
    ("server after mail from", Stage::Sender),
    ("server after pipelined mail from", Stage::Sender),
    ("but sender was rejected", Stage::Sender),
    ("did not like our mail from", Stage::Sender),
    ("reply to rcpt to", Stage::Recipient),
    ("server after rcpt to", Stage::Recipient),
    ("server after pipelined rcpt to", Stage::Recipient),
    ("does not like recipient", Stage::Recipient),
    ("did not like our rcpt to", Stage::Recipient),
    ("end of data", Stage::Message),
    ("reply to data", Stage::Message),
    ("server after data", Stage::Message),
    ("did not like our final data", Stage::Message),
    ("failed on data command", Stage::Message),
    ("failed after i sent the message", Stage::Message),
    ("smtp command data", Stage::Message),
];

/// The most exchanges of a transcript that are looked at.
const MOST_EXCHANGES: usize = 64;

impl Stage {
    /// What a mail server wrote of it around a reply, or in a transcript. `None` also if there
    /// is more than one stage in the text, which is cut at [`LONGEST_TEXT`].
    pub fn told(text: &str) -> Option<Stage> {
        let plain = plain(cut(text, LONGEST_TEXT));
        let marked = MARKS.iter().filter(|(mark, _)| plain.contains(mark));
        let stages = marked.map(|(_, stage)| *stage);
        let mut stages = stages.chain(exchanges(&plain));
        let first = stages.next()?;
        stages.all(|stage| stage == first).then_some(first)
    }
}

/// In lower case, on one line.
fn plain(text: &str) -> String {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    words.join(" ").to_ascii_lowercase()
}

/// The stages of what was refused in a transcript: `>>> ` and a command, `<<< ` and what was answered.
fn exchanges(plain: &str) -> impl Iterator<Item = Stage> + '_ {
    plain
        .split(">>> ")
        .skip(1)
        .take(MOST_EXCHANGES)
        .filter_map(|exchange| {
            let mut answers = exchange.split("<<< ");
            let stage = match answers.next()?.get(..4)? {
                "helo" | "ehlo" => Stage::Greeting,
                "mail" => Stage::Sender,
                "rcpt" => Stage::Recipient,
                "data" => Stage::Message,
                _ => return None,
            };
            let mut refusals = answers.filter(|answer| answer.starts_with(['4', '5']));
            let first = refusals.next()?;
            // RFC 2920: RCPT and DATA may be sent at once. Then the first answer is to RCPT, and the other that nobody is left.
            let nobody_left =
                |answer: &str| answer.starts_with("503") || answer.contains("no valid recipients");
            match stage {
                Stage::Message if nobody_left(first) => None,
                Stage::Message if refusals.any(nobody_left) => Some(Stage::Recipient),
                _ => Some(stage),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_servers_tell_how_far_a_message_got() {
        for (text, stage) in [
            (
                "host mx.example.org[192.0.2.1] said: 550 no (in reply to\n    end of DATA command)",
                Some(Stage::Message),
            ),
            (
                "host mx.example.org[192.0.2.1] said: 550 no (in reply to RCPT TO command)",
                Some(Stage::Recipient),
            ),
            (
                "host mx.example.org[192.0.2.1] refused to talk to me: 554 no",
                Some(Stage::Greeting),
            ),
            (
                "SMTP error from remote mail server after MAIL FROM:<news@example.com> SIZE=9: 550 no",
                Some(Stage::Sender),
            ),
            (
                "192.0.2.1 does not like recipient.\nRemote host said: 550 no",
                Some(Stage::Recipient),
            ),
            (
                "mx.example.org did not like our EHLO: 550 no",
                Some(Stage::Greeting),
            ),
            (
                ">>> MAIL From:<news@example.com>\n<<< 550 no",
                Some(Stage::Sender),
            ),
            (
                ">>> DATA\n<<< 554 no\n554 5.0.0 Service unavailable",
                Some(Stage::Message),
            ),
            ("550 no", None),
            ("", None),
        ] {
            assert_eq!(Stage::told(text), stage, "{text}");
        }
    }

    #[test]
    fn a_recipient_refused_in_a_pipeline_was_not_taken() {
        let text = ">>> DATA\n<<< 550 5.1.1 <ann@example.org>... User unknown\n550 5.1.1 <ann@example.org>... User unknown\n<<< 503 5.0.0 Need RCPT (recipient)";
        assert_eq!(Stage::told(text), Some(Stage::Recipient));
        let text = ">>> RCPT To:<ann@example.org>\n<<< 551 not here\n>>> DATA\n<<< 503 need RCPT command";
        assert_eq!(Stage::told(text), Some(Stage::Recipient));
    }

    #[test]
    fn two_stages_are_none() {
        let text = "<ann@example.org>: 550 no (in reply to RCPT TO command)\n<ben@example.org>: 550 no (in reply to end of DATA command)";
        assert_eq!(Stage::told(text), None);
    }
}
