//! Replies of a relay (RFC 5321 section 4.2), as sessions use them.

use smtp_proto::Response;
use tidings_store::ledger::KeptReply;

/// One reply, multi-line replies joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200–599.
    pub code: u16,
    /// The enhanced status code (RFC 2034), if the relay gave one.
    pub enhanced: Option<String>,
    /// The text after the codes, its lines joined by spaces, bounded.
    pub text: String,
}

/// What the first digit of a reply asks of the client (RFC 5321 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 2xx
    Positive,
    /// 3xx
    Intermediate,
    /// 4xx
    Transient,
    /// 5xx
    Permanent,
}

/// Kept of a reply's text at most, in characters.
const KEPT: usize = 400;

impl Reply {
    pub(crate) fn from_response(response: Response<String>) -> Reply {
        let enhanced = (response.esc[0] != 0)
            .then(|| format!("{}.{}.{}", response.esc[0], response.esc[1], response.esc[2]));
        let text = response.message.replace(['\r', '\n'], " ");
        let text = match text.char_indices().nth(KEPT) {
            Some((end, _)) => text[..end].to_owned(),
            None => text.trim_end().to_owned(),
        };
        Reply {
            code: response.code,
            enhanced,
            text,
        }
    }

    /// What it asks of the client.
    pub fn kind(&self) -> Kind {
        match self.code {
            200..=299 => Kind::Positive,
            300..=399 => Kind::Intermediate,
            400..=499 => Kind::Transient,
            _ => Kind::Permanent,
        }
    }

    /// Whether the relay did not understand the command, or not at this point: nothing is said about a recipient.
    pub fn is_misunderstanding(&self) -> bool {
        matches!(self.code, 500 | 502 | 503 | 504 | 555)
    }

    /// The text with the enhanced code in front, as verdicts are taken from it.
    pub fn words(&self) -> String {
        match &self.enhanced {
            Some(enhanced) => format!("{enhanced} {}", self.text),
            None => self.text.clone(),
        }
    }

    /// As it is kept in the ledger.
    pub fn kept(self) -> KeptReply {
        KeptReply {
            code: self.code,
            enhanced: self.enhanced,
            text: self.text,
        }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.words())
    }
}
