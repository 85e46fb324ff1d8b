//! A letter as it goes over the wire: to one person, nothing merged, in ASCII, so that every relay can carry it.

use super::canonical::Canonical;
use super::{Body, BodyEncoding, Mailbox, date_text, headers, put};
use crate::address::EmailAddress;
use crate::language::Language;
use crate::time::Timestamp;

/// What a letter says.
#[derive(Clone, Copy, Debug)]
pub struct LetterText<'a> {
    /// The author.
    pub from: &'a Mailbox,
    /// To whom it goes.
    pub to: &'a EmailAddress,
    /// The name of that person; may be empty.
    pub name: &'a str,
    /// The language it is written in.
    pub language: Option<&'a Language>,
    /// One line.
    pub subject: &'a str,
    /// For readers of plain text.
    pub text: &'a str,
    /// The same as HTML; what came from outside must be escaped in it.
    pub html: &'a str,
}

impl LetterText<'_> {
    /// The whole message: lines end with CRLF, none has more than 998 octets, dots are not doubled. `id`: letters and digits
    /// that nobody can guess; with the domain of the author they make the Message-ID.
    pub fn compose(&self, id: &str, date: Timestamp) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + self.html.len() + 1024);
        put(
            &mut out,
            &["Message-ID: <", id, "@", self.from.address.domain(), ">\r\n"],
        );
        put(
            &mut out,
            &["Date: ", date_text(&mut (None, String::new()), date), "\r\n"],
        );
        headers::push_mailbox("From", self.from, &mut out);
        headers::push_phrase("To", self.name, self.to.as_str(), &mut out);
        headers::push_text("Subject", self.subject, &mut out);
        // RFC 3834 section 5.2: no machine is to answer it.
        put(&mut out, &["Auto-Submitted: auto-generated\r\n"]);
        if let Some(language) = self.language {
            put(&mut out, &["Content-Language: ", &language.to_string(), "\r\n"]);
        }
        put(&mut out, &["MIME-Version: 1.0\r\n"]);
        let (mut text, mut html) = (Canonical::default(), Canonical::default());
        text.push(self.text);
        text.finish();
        html.push(self.html);
        html.finish();
        let body = Body {
            id,
            text: &text,
            html: &html,
            images: &[],
            attachments: &[],
            own: None,
        };
        body.push(BodyEncoding::SevenBit, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_ascii_and_names_no_header_of_a_stranger_s() {
        let from = Mailbox::parse("Grüße <news@example.com>").unwrap();
        let to = EmailAddress::parse("ann@example.org").unwrap();
        let letter = LetterText {
            from: &from,
            to: &to,
            name: "Ann\r\nBcc: bob@example.org",
            language: Some(&Language::parse("de").unwrap()),
            subject: "Bitte bestätigen\r\nX-Evil: 1",
            text: "Schöne Grüße\n.\nhttps://news.example.com/s/abc\n",
            html: "<p>Schöne Grüße</p>",
        };
        let message = letter.compose("c0ffee", Timestamp::from_seconds(1_800_000_000));
        let message = String::from_utf8(message).unwrap();
        assert!(message.is_ascii(), "{message}");
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        for line in [
            "Message-ID: <c0ffee@example.com>",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "To: \"Ann Bcc: bob@example.org\" <ann@example.org>",
            "Auto-Submitted: auto-generated",
            "Content-Language: de",
        ] {
            assert!(header.lines().any(|found| found == line), "{line} in {header}");
        }
        assert!(
            !header
                .lines()
                .any(|line| line.starts_with("Bcc") || line.starts_with("X-Evil"))
        );
        assert!(body.contains("quoted-printable") && body.contains("https://news.example.com/s/abc"));
    }
}
