//! Messages looked at before a campaign starts: how large each would be, and what a reader would see.

use super::attachment::EncodedFile;
use super::{BodyEncoding, MessageFactory, SCRATCH};
use crate::eligibility::Mailable;
use crate::language::Language;
use crate::recipient::Recipient;
use crate::template::{RenderError, Rendered};
use crate::time::Timestamp;

/// How large a message is, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// As it goes over the wire, with header, all parts and files.
    pub message: usize,
    /// Its HTML alone, before it is encoded.
    pub html: usize,
}

impl MessageFactory {
    /// Makes the message as [`build_attaching`](Self::build_attaching) does, and measures it. `scratch` is overwritten.
    pub fn measure(
        &self,
        to: &Mailable,
        own: Option<&EncodedFile>,
        (date, encoding): (Timestamp, BodyEncoding),
        scratch: &mut Vec<u8>,
    ) -> Result<Measured, RenderError> {
        self.build_attaching(to, own, date, encoding, scratch)?;
        Ok(Measured {
            message: scratch.len(),
            html: SCRATCH.with_borrow(|parts| parts.html.bytes().len()),
        })
    }

    /// What this recipient would read: subject, HTML and text, before they are encoded.
    pub fn read(&self, to: &Mailable, date: Timestamp) -> Result<Rendered, RenderError> {
        self.build_attaching(to, None, date, BodyEncoding::EightBit, &mut Vec::new())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(SCRATCH.with_borrow(|parts| Rendered {
            subject: super::headers::one_line(&text(parts.subject.bytes())).into_owned(),
            html: text(parts.html.bytes()),
            text: text(parts.text.bytes()),
        }))
    }

    /// Of which translation this recipient's message is made; none for the fallback.
    pub fn language_for(&self, recipient: &Recipient) -> Option<Language> {
        self.chosen_for(recipient).variant.language.clone()
    }
}
