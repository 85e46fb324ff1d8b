//! MAIL and RCPT of one message, with the parameters that the relay announced and no others.

use crate::connection::Announced;
use std::fmt::Write;

/// What an envelope is made of.
pub(super) struct Envelope<'a> {
    /// The sender; its local part is the token by which a report finds its delivery.
    pub return_path: &'a str,
    /// The recipient.
    pub address: &'a str,
    /// Octets of the content.
    pub size: usize,
    /// Whether the content has octets above 127.
    pub eight_bit: bool,
}

/// An original recipient takes 500 octets at most (RFC 3461 section 4.2), an envelope's identifier 100 (section 4.4).
const LONGEST_ORIGINAL: usize = 500;
const LONGEST_IDENTIFIER: usize = 100;

impl Envelope<'_> {
    /// Two lines, each with its CRLF.
    ///
    /// Without parameters a line has at most 268 octets, since an address has at most 254: the 512 of RFC 5321 section
    /// 4.5.3.1.4 are never reached, and each extension allows for its own parameters.
    pub fn lines(&self, announced: &Announced) -> String {
        let Envelope {
            return_path,
            address,
            size,
            eight_bit,
        } = self;
        let mut lines = String::with_capacity(320);
        lines.push_str("MAIL FROM:<");
        lines.push_str(return_path);
        lines.push('>');
        if *eight_bit && announced.eight_bit_mime {
            lines.push_str(" BODY=8BITMIME");
        }
        if announced.size.is_some() {
            // Writing into a String does not fail.
            let _ = write!(lines, " SIZE={size}");
        }
        if !address.is_ascii() && announced.smtp_utf8 {
            lines.push_str(" SMTPUTF8");
        }
        if announced.dsn {
            lines.push_str(" RET=HDRS");
            let token = return_path.split('@').next().unwrap_or_default();
            push_xtext(&mut lines, " ENVID=", token, LONGEST_IDENTIFIER);
        }
        lines.push_str("\r\nRCPT TO:<");
        lines.push_str(address);
        lines.push('>');
        if announced.dsn {
            lines.push_str(" NOTIFY=FAILURE,DELAY");
            // Beyond ASCII it would be another type of address (RFC 6533), which many relays do not know.
            if address.is_ascii() {
                push_xtext(&mut lines, " ORCPT=rfc822;", address, LONGEST_ORIGINAL);
            }
        }
        lines.push_str("\r\n");
        lines
    }
}

/// Appends a parameter in xtext (RFC 3461 section 4), or nothing if it would be too long.
fn push_xtext(line: &mut String, name: &str, value: &str, longest: usize) {
    let before = line.len();
    line.push_str(name);
    let start = line.len();
    for octet in value.bytes() {
        if matches!(octet, b'!'..=b'~') && octet != b'+' && octet != b'=' {
            line.push(char::from(octet));
        } else {
            let _ = write!(line, "+{octet:02X}");
        }
    }
    let length = line.len() - start;
    if length == 0 || length > longest {
        line.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(announced: &Announced, address: &str, eight_bit: bool) -> String {
        let envelope = Envelope {
            return_path: "b-token@bounce.example.com",
            address,
            size: 1234,
            eight_bit,
        };
        envelope.lines(announced)
    }

    fn everything() -> Announced {
        let mut announced = Announced::default();
        announced.eight_bit_mime = true;
        announced.smtp_utf8 = true;
        announced.size = Some(0);
        announced.dsn = true;
        announced
    }

    #[test]
    fn nothing_is_used_that_was_not_announced() {
        assert_eq!(
            lines(&Announced::default(), "ann@example.org", true),
            "MAIL FROM:<b-token@bounce.example.com>\r\nRCPT TO:<ann@example.org>\r\n"
        );
    }

    #[test]
    fn what_was_announced_is_used_where_it_is_needed() {
        assert_eq!(
            lines(&everything(), "ann+news=x@example.org", true),
            "MAIL FROM:<b-token@bounce.example.com> BODY=8BITMIME SIZE=1234 RET=HDRS ENVID=b-token\r\n\
             RCPT TO:<ann+news=x@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann+2Bnews+3Dx@example.org\r\n"
        );
        assert_eq!(
            lines(&everything(), "jörg@example.org", false),
            "MAIL FROM:<b-token@bounce.example.com> SIZE=1234 SMTPUTF8 RET=HDRS ENVID=b-token\r\n\
             RCPT TO:<jörg@example.org> NOTIFY=FAILURE,DELAY\r\n"
        );
    }

    #[test]
    fn command_lines_stay_within_the_limits_of_the_standards() {
        let plain = format!("{}@{}.example.org", "a".repeat(64), "b".repeat(177));
        assert_eq!(plain.len(), 254);
        let marked = format!("{}@{}.example.org", "+".repeat(64), "b".repeat(177));
        for address in [&plain, &marked] {
            let bare = Announced::default();
            assert!(
                lines(&bare, address, true)
                    .split_inclusive('\n')
                    .all(|line| line.len() <= 512)
            );
            // RFC 3461 section 4: 500 more for ORCPT, and 28 for NOTIFY.
            let long = lines(&everything(), address, true);
            assert!(long.split_inclusive('\n').all(|line| line.len() <= 512 + 528));
        }
        let mut line = String::new();
        push_xtext(&mut line, " ORCPT=rfc822;", &"+".repeat(254), LONGEST_ORIGINAL);
        assert_eq!(line, "");
    }
}
