//! The content of one message, from 354 to the final dot.
//!
//! Nothing but CRLF, dot, CRLF ends it. Whoever takes less for an end (a dot between bare line feeds, or after a
//! doubled carriage return) can be made to read a second message, with an envelope of its own, out of the first.

use memchr::memchr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is asked for in pieces of so many octets.
const PIECE: usize = 64 * 1024;
/// The contents of all sessions of a listener hold at most so many octets together.
const ROOM: usize = 256 * 1024 * 1024;
/// What comes beyond the greatest size is passed over up to this many octets; then the session ends.
const PASSED_OVER: usize = 64 * 1024 * 1024;

/// The memory that all sessions share for contents.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new() -> Room {
        Room(Arc::new(Semaphore::new(ROOM / PIECE)))
    }

    #[cfg(test)]
    fn of(pieces: usize) -> Room {
        Room(Arc::new(Semaphore::new(pieces)))
    }
}

/// A place in [`Room`]; it is given back when this is dropped.
pub(super) type Held = Option<OwnedSemaphorePermit>;

/// Where the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the beginning of a line, after CRLF.
    Beginning,
    /// After a dot at the beginning of a line, which is not kept.
    Dot,
    /// After such a dot and a carriage return, which is not kept yet.
    DotReturn,
    /// Within a line.
    Within,
    /// After a carriage return within a line.
    Return,
}

/// Why a content is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// It is greater than the listener takes.
    TooLong,
    /// There is no memory for it now.
    NoRoom,
}

/// How far a content has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to come.
    More,
    /// The final dot has come.
    Ended,
    /// So much has come beyond the greatest size that no end is waited for.
    Endless,
}

/// A content that is coming in, dots unstuffed.
pub(super) struct Content {
    at: At,
    most: usize,
    room: Room,
    held: Held,
    pieces: usize,
    kept: Vec<u8>,
    passed_over: usize,
    excess: Option<Excess>,
}

impl Content {
    /// A content of at most `most` octets.
    pub(super) fn new(most: usize, room: Room) -> Content {
        Content {
            // The CRLF of the DATA line counts as the one before the first line (RFC 5321 section 4.1.1.4).
            at: At::Beginning,
            most,
            room,
            held: None,
            pieces: 0,
            kept: Vec::new(),
            passed_over: 0,
            excess: None,
        }
    }

    /// Takes octets up to the final dot, and no further.
    pub(super) fn ingest(&mut self, octets: &mut &[u8]) -> Progress {
        while let Some((&octet, rest)) = octets.split_first() {
            match (self.at, octet) {
                (At::Beginning, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotReturn,
                (At::DotReturn, b'\n') => {
                    *octets = rest;
                    return Progress::Ended;
                }
                (At::DotReturn, _) => {
                    self.keep(b"\r");
                    self.at = At::Return;
                    continue;
                }
                _ => {
                    self.take_line(octets);
                    continue;
                }
            }
            *octets = rest;
        }
        match self.passed_over > PASSED_OVER {
            true => Progress::Endless,
            false => Progress::More,
        }
    }

    /// Keeps what belongs to the line, its end included if that is here.
    fn take_line(&mut self, octets: &mut &[u8]) {
        let end = memchr(b'\n', octets).map_or(octets.len(), |at| at + 1);
        let (line, rest) = octets.split_at(end);
        self.at = match line {
            [b'\n'] if self.at == At::Return => At::Beginning,
            [.., b'\r', b'\n'] => At::Beginning,
            [.., b'\r'] => At::Return,
            _ => At::Within,
        };
        self.keep(line);
        *octets = rest;
    }

    fn keep(&mut self, octets: &[u8]) {
        if self.excess.is_none() {
            self.excess = self.excess_with(octets.len());
        }
        if self.excess.is_some() {
            self.kept = Vec::new();
            self.held = None;
            self.passed_over += octets.len();
        } else {
            self.kept.extend_from_slice(octets);
        }
    }

    /// Asks for the memory of so many more octets.
    fn excess_with(&mut self, more: usize) -> Option<Excess> {
        let octets = self.kept.len() + more;
        if octets > self.most {
            return Some(Excess::TooLong);
        }
        let wanted = octets.div_ceil(PIECE).saturating_sub(self.pieces);
        if wanted == 0 {
            return None;
        }
        let room = Arc::clone(&self.room.0);
        let Ok(more) = room.try_acquire_many_owned(u32::try_from(wanted).unwrap_or(u32::MAX)) else {
            return Some(Excess::NoRoom);
        };
        self.pieces += wanted;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        None
    }

    /// What has come, and the place that it holds in memory.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Held), Excess> {
        match self.excess {
            Some(excess) => Err(excess),
            None => Ok((self.kept, self.held)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in pieces of `piece` octets: what was kept, and what was left behind the dot.
    fn receive(wire: &[u8], piece: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut content = Content::new(10_000, Room::new());
        let mut rest = wire;
        while !rest.is_empty() {
            let (mut octets, later) = rest.split_at(piece.min(rest.len()));
            if content.ingest(&mut octets) == Progress::Ended {
                return Some((content.finish().unwrap().0, [octets, later].concat()));
            }
            assert!(octets.is_empty());
            rest = later;
        }
        None
    }

    #[test]
    fn dots_are_unstuffed_wherever_the_reads_fall() {
        let wire = b"Subject: a\r\n\r\n..one\r\n.\n.. two\r\n...\r\nthree.\r\n\r\r\n.x\r\n.\r\nMAIL";
        let kept = b"Subject: a\r\n\r\n.one\r\n\n.. two\r\n..\r\nthree.\r\n\r\r\nx\r\n";
        for piece in 1..=wire.len() {
            let received = receive(wire, piece);
            assert_eq!(
                received,
                Some((kept.to_vec(), b"MAIL".to_vec())),
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_lone_dot_is_an_empty_content() {
        assert_eq!(receive(b".\r\nQUIT", 7), Some((Vec::new(), b"QUIT".to_vec())));
        assert_eq!(receive(b".\r\n", 1), Some((Vec::new(), Vec::new())));
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_is_an_end() {
        for false_end in [
            "\n.\n",
            "\n.\r\n",
            "\r\n.\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\r",
            "\r\n.\r\r\n",
            "\r\n..\r\n",
        ] {
            let wire = format!("first{false_end}MAIL FROM:<>\r\nmore\r\n.\r\n");
            for piece in [1, 2, 3, wire.len()] {
                let (kept, left) = receive(wire.as_bytes(), piece).unwrap();
                assert!(kept.ends_with(b"MAIL FROM:<>\r\nmore\r\n"), "{false_end:?}");
                assert!(left.is_empty(), "{false_end:?}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_passed_over_to_its_end_and_not_kept() {
        let mut content = Content::new(100, Room::new());
        for _ in 0..1000 {
            assert_eq!(
                content.ingest(&mut &b"a line of twenty-two\r\n"[..]),
                Progress::More
            );
            assert!(content.kept.len() <= 100);
        }
        assert_eq!(content.ingest(&mut &b".\r\n"[..]), Progress::Ended);
        assert_eq!(content.finish().unwrap_err(), Excess::TooLong);
    }

    #[test]
    fn the_end_of_an_endless_content_is_not_waited_for() {
        let mut content = Content::new(100, Room::new());
        let much = vec![b'x'; PASSED_OVER / 2];
        assert_eq!(content.ingest(&mut &much[..]), Progress::More);
        assert_eq!(content.ingest(&mut &much[..]), Progress::More);
        assert_eq!(content.ingest(&mut &much[..]), Progress::Endless);
    }

    #[test]
    fn all_contents_share_one_room() {
        let room = Room::of(3);
        let much = vec![b'x'; PIECE + 1];
        let mut first = Content::new(usize::MAX, room.clone());
        let mut second = Content::new(usize::MAX, room.clone());
        first.ingest(&mut &much[..]);
        second.ingest(&mut &much[..]);
        second.ingest(&mut &b"\r\n.\r\n"[..]);
        assert_eq!(second.finish().unwrap_err(), Excess::NoRoom);

        first.ingest(&mut &b"\r\n.\r\n"[..]);
        let (kept, held) = first.finish().unwrap();
        assert_eq!(kept.len(), PIECE + 3);
        assert_eq!(room.0.available_permits(), 1);
        drop(held);
        assert_eq!(room.0.available_permits(), 3);
    }
}
