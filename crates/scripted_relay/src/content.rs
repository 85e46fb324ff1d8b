//! The content of one message, from 354 to the final dot.

use smtp_proto::request::receiver::{DataReceiver, DummyDataReceiver};
use std::slice::Iter;

/// The header is looked for in this many octets; the rest of a content that nobody wants is only skipped.
const KEPT_UNASKED: usize = 64 * 1024;

pub(crate) struct Content {
    data: DataReceiver,
    skipping: Option<DummyDataReceiver>,
    keep_all: bool,
    octets: usize,
    kept: Vec<u8>,
}

impl Content {
    /// `buffer` is cleared and used for what is kept.
    pub(crate) fn new(keep_all: bool, mut buffer: Vec<u8>) -> Self {
        let mut data = DataReceiver::new();
        // The CRLF of the DATA line counts as the one before the first line (RFC 5321, 4.1.1.4): a lone dot ends it.
        data.ingest(&mut b"\r\n".iter(), &mut buffer);
        buffer.clear();
        Content {
            data,
            skipping: None,
            keep_all,
            octets: 0,
            kept: buffer,
        }
    }

    /// Takes octets up to the final dot, dots unstuffed; true when it has come.
    pub(crate) fn ingest(&mut self, bytes: &mut Iter<'_, u8>) -> bool {
        let before = bytes.len();
        let ended = match &mut self.skipping {
            Some(skipping) => skipping.ingest(bytes),
            None => self.data.ingest(bytes, &mut self.kept),
        };
        self.octets += before - bytes.len();
        if self.skipping.is_none() && !self.keep_all && self.kept.len() > KEPT_UNASKED {
            self.skipping = Some(DummyDataReceiver::new_data(&self.data));
        }
        ended
    }

    /// Octets on the wire, without the final dot's line.
    pub(crate) fn size(&self) -> usize {
        self.octets.saturating_sub(b".\r\n".len())
    }

    /// The value of the header's Message-ID field.
    pub(crate) fn message_id(&self) -> Option<String> {
        const NAME: &[u8] = b"message-id:";
        let mut lines = self.kept.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let field = lines.by_ref().take_while(|line| !line.is_empty()).find(|line| {
            line.get(..NAME.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        })?;
        let value = field[NAME.len()..].trim_ascii();
        // Folded right after the name: the value is on the next line.
        let value = if value.is_empty() {
            lines.next()?.trim_ascii()
        } else {
            value
        };
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// What was kept: everything if that was asked for.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Gives the buffer back for the next message.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in pieces of `piece` octets; the content and what was left after the dot.
    fn receive(wire: &[u8], piece: usize) -> (Content, usize) {
        let mut content = Content::new(true, Vec::new());
        let mut used = 0;
        for chunk in wire.chunks(piece) {
            let mut bytes = chunk.iter();
            let ended = content.ingest(&mut bytes);
            used += chunk.len() - bytes.len();
            if ended {
                return (content, wire.len() - used);
            }
        }
        panic!("no final dot found");
    }

    #[test]
    fn dots_are_unstuffed_wherever_the_reads_fall() {
        let wire = b"Subject: a\r\n\r\n..one\r\n.\n.. two\r\nthree.\r\n.\r\nMAIL";
        for piece in 1..wire.len() {
            let (content, left) = receive(wire, piece);
            assert_eq!(
                content.kept(),
                b"Subject: a\r\n\r\n.one\r\n\n.. two\r\nthree.\r\n",
                "pieces of {piece}"
            );
            assert_eq!(content.size(), wire.len() - 7);
            assert!(left <= 4);
        }
    }

    #[test]
    fn a_lone_dot_is_an_empty_content() {
        let (content, left) = receive(b".\r\n", 1);
        assert_eq!((content.kept(), content.size(), left), (&b""[..], 0, 0));
    }

    #[test]
    fn the_message_id_is_found_in_the_header_only() {
        let id = |text: &[u8]| receive(&[text, b"\r\n.\r\n"].concat(), 7).0.message_id();
        assert_eq!(
            id(b"Subject: x\r\nmessage-ID: <1@example.org>\r\n\r\nbody"),
            Some("<1@example.org>".into())
        );
        assert_eq!(
            id(b"Message-ID:\r\n <2@example.org>\r\n\r\n"),
            Some("<2@example.org>".into())
        );
        assert_eq!(id(b"Subject: x\r\n\r\nMessage-ID: <3@example.org>\r\n"), None);
    }

    #[test]
    fn a_long_content_is_skipped_but_counted() {
        let mut content = Content::new(false, Vec::new());
        let line = [b"x".repeat(76), b"\r\n".to_vec()].concat();
        for _ in 0..2000 {
            assert!(!content.ingest(&mut line.iter()));
        }
        assert!(content.ingest(&mut b".\r\n".iter()));
        assert_eq!(content.size(), 2000 * 78);
        assert!(content.kept().len() < KEPT_UNASKED + 100);
    }
}
