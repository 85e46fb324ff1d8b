//! Names of folders: as people write them, and as they stand in commands.

use data_encoding::{Encoding, Specification};
use std::fmt;
use std::sync::LazyLock;

/// The name of a folder, in plain Unicode, with the server's own separators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderName(String);

/// Why a text is no name of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a folder's name has 1 to {LONGEST} octets and no control characters")]
pub struct NoFolderName;

/// Longer ones no server has.
const LONGEST: usize = 500;

/// Base64 as RFC 3501 section 5.1.3 has it: a comma instead of the slash, no padding.
static BASE64: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,");
    specification.encoding().expect("64 different symbols")
});

impl FolderName {
    /// Where mail arrives.
    pub fn inbox() -> FolderName {
        FolderName("INBOX".to_owned())
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Result<FolderName, NoFolderName> {
        let fits = (1..=LONGEST).contains(&text.len()) && !text.contains(char::is_control);
        fits.then(|| FolderName(text.to_owned())).ok_or(NoFolderName)
    }

    /// The name in a command: in modified UTF-7 (RFC 3501 section 5.1.3) and quoted.
    pub(super) fn quoted(&self) -> String {
        let mut encoded = String::with_capacity(self.0.len());
        let mut foreign = String::new();
        for c in self.0.chars() {
            if c.is_ascii() {
                flush(&mut foreign, &mut encoded);
                encoded.push(c);
                if c == '&' {
                    encoded.push('-');
                }
            } else {
                foreign.push(c);
            }
        }
        flush(&mut foreign, &mut encoded);
        quoted(&encoded)
    }
}

fn flush(foreign: &mut String, encoded: &mut String) {
    if !foreign.is_empty() {
        let units: Vec<u8> = foreign.encode_utf16().flat_map(u16::to_be_bytes).collect();
        encoded.push('&');
        encoded.push_str(&BASE64.encode(&units));
        encoded.push('-');
        foreign.clear();
    }
}

/// A quoted string. It must not have line ends, which are refused where it comes from.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_out_in_modified_utf_7() {
        for (name, command) in [
            ("INBOX", "\"INBOX\""),
            ("R&D", "\"R&-D\""),
            ("Rückläufer", "\"R&APw-ckl&AOQ-ufer\""),
            // The example of RFC 3501 section 5.1.3.
            ("~peter/mail/台北/日本語", "\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\""),
            ("🎉", "\"&2DzfiQ-\""),
            ("a \"b\" \\c", "\"a \\\"b\\\" \\\\c\""),
        ] {
            assert_eq!(FolderName::parse(name).unwrap().quoted(), command);
        }
    }

    #[test]
    fn what_could_end_a_command_is_no_name() {
        for text in ["", "a\r\nb", "a\0b"] {
            assert_eq!(FolderName::parse(text), Err(NoFolderName));
        }
    }
}
