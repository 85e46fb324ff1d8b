//! What a relay announces in its reply to EHLO (RFC 5321 section 4.1.1.1).

use super::Mechanism;

/// What may be used with a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// RFC 2920
    pub pipelining: bool,
    /// RFC 6152
    pub eight_bit_mime: bool,
    /// RFC 6531
    pub smtp_utf8: bool,
    /// RFC 1870: announced, and the limit in octets; zero stands for no fixed limit.
    pub size: Option<usize>,
    /// RFC 3461
    pub dsn: bool,
    /// RFC 3207
    pub start_tls: bool,
    mechanisms: u8,
}

/// Extensions that can be left out although a relay announces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// RFC 2920
    Pipelining,
    /// RFC 6152
    EightBitMime,
    /// RFC 6531
    SmtpUtf8,
    /// RFC 1870
    Size,
    /// RFC 3461
    Dsn,
}

impl Extension {
    /// All of them, with their names in the configuration.
    pub const NAMES: [(&'static str, Extension); 5] = [
        ("pipelining", Extension::Pipelining),
        ("8bitmime", Extension::EightBitMime),
        ("smtputf8", Extension::SmtpUtf8),
        ("size", Extension::Size),
        ("dsn", Extension::Dsn),
    ];
}

const MECHANISMS: [Mechanism; 3] = [Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2];

impl Announced {
    /// Reads the text of an EHLO reply. What is not known is passed over, and so is a parameter that means nothing.
    pub(super) fn parse(text: &str) -> Announced {
        let mut announced = Announced::default();
        for line in text.lines().skip(1) {
            // Old servers write `AUTH=LOGIN`.
            let mut words = line.split(|c: char| c.is_ascii_whitespace() || c == '=');
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => announced.pipelining = true,
                "8BITMIME" => announced.eight_bit_mime = true,
                "SMTPUTF8" => announced.smtp_utf8 = true,
                "DSN" => announced.dsn = true,
                "STARTTLS" => announced.start_tls = true,
                "SIZE" => announced.size = Some(words.next().and_then(|word| word.parse().ok()).unwrap_or(0)),
                "AUTH" => {
                    for word in words {
                        let known = MECHANISMS
                            .iter()
                            .position(|m| m.to_string().eq_ignore_ascii_case(word));
                        announced.mechanisms |= known.map_or(0, |bit| 1 << bit);
                    }
                }
                _ => {}
            }
        }
        announced
    }

    /// Forgets what is not to be used.
    pub(super) fn leave_out(&mut self, without: &[Extension]) {
        for extension in without {
            match extension {
                Extension::Pipelining => self.pipelining = false,
                Extension::EightBitMime => self.eight_bit_mime = false,
                Extension::SmtpUtf8 => self.smtp_utf8 = false,
                Extension::Size => self.size = None,
                Extension::Dsn => self.dsn = false,
            }
        }
    }

    /// The AUTH mechanisms that both sides know, the preferred first.
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        let announced = |at: &usize| self.mechanisms & (1 << at) != 0;
        (0..MECHANISMS.len())
            .filter(announced)
            .map(|at| MECHANISMS[at])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_whatever_their_case_and_however_strange_their_neighbours() {
        let announced = Announced::parse(
            "mail.example.com greets you PIPELINING\npipelining\nSize 1000\nX-STRANGE = 5\n\n8BITMIME \nAUTH=LOGIN\n\
             AUTH CRAM-MD5 PLAIN\nDSN\nSTARTTLS\nSMTPUTF8",
        );
        assert_eq!(announced.size, Some(1000));
        assert!(announced.pipelining && announced.eight_bit_mime && announced.dsn);
        assert!(announced.start_tls && announced.smtp_utf8);
        assert_eq!(announced.mechanisms(), [Mechanism::Plain, Mechanism::Login]);
    }

    #[test]
    fn the_first_line_announces_nothing_and_a_strange_size_no_limit() {
        assert_eq!(Announced::parse("PIPELINING"), Announced::default());
        assert_eq!(Announced::parse("x\nSIZE").size, Some(0));
        assert_eq!(Announced::parse("x\nSIZE many").size, Some(0));
    }

    #[test]
    fn what_is_left_out_counts_as_not_announced() {
        let mut announced = Announced::parse("x\nPIPELINING\nSIZE 5\nDSN\n8BITMIME\nSMTPUTF8");
        announced.leave_out(&Extension::NAMES.map(|(_, extension)| extension));
        assert_eq!(announced, Announced::default());
    }
}
