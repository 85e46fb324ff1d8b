//! Quoted-printable (RFC 2045 section 6.7), fast: runs of plain octets are copied, not looked at one by one.

/// The greatest line without its CRLF.
const MAX_LINE: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Octets that stand for themselves. The space is among them; at a line's end it is dealt with apart. So is the dot:
/// stuffing it is the session's work.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut c = b' ';
    while c <= b'~' {
        plain[c as usize] = c != b'=';
        c += 1;
    }
    plain
};

/// Appends `text`, whose line ends are CRLF, in quoted-printable.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + text.len() / 4);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        encode_line(&text[start..end - 1], out);
        out.extend_from_slice(b"\r\n");
        start = end + 1;
    }
    encode_line(&text[start..], out);
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    // White space at a line's end gets lost on the way: encoded, unless a soft break follows, which it never does there.
    let (line, trailing) = match line.split_last() {
        Some((&last @ (b' ' | b'\t'), rest)) => (rest, Some(last)),
        _ => (line, None),
    };
    let mut rest = line;
    let mut column = 0;
    while let Some(&next) = rest.first() {
        if PLAIN[next as usize] {
            let ends_here = trailing.is_none();
            // One place of every line is kept for the `=` of a soft break, unless the line ends here.
            let room = MAX_LINE - 1 - column;
            let window = &rest[..rest.len().min(room + 1)];
            let mut run = plain_run(window);
            if run > room && !(ends_here && run == rest.len()) {
                run = room;
            }
            if run == 0 {
                column = soft_break(out);
                continue;
            }
            out.extend_from_slice(&rest[..run]);
            column += run;
            rest = &rest[run..];
        } else {
            let last = rest.len() == 1 && trailing.is_none();
            if column + 3 > MAX_LINE - usize::from(!last) {
                column = soft_break(out);
            }
            escape(next, out);
            column += 3;
            rest = &rest[1..];
        }
    }
    if let Some(last) = trailing {
        if column + 3 > MAX_LINE {
            soft_break(out);
        }
        escape(last, out);
    }
}

/// How many plain octets come first; eight are looked at together.
fn plain_run(window: &[u8]) -> usize {
    const fn all(octet: u8) -> u64 {
        u64::from_ne_bytes([octet; 8])
    }
    // The high bit of every octet that is zero. A borrow can only mark octets above one that is marked rightly.
    let zeros = |word: u64| word.wrapping_sub(all(1)) & !word & all(0x80);
    let (words, rest) = window.as_chunks::<8>();
    for (at, &word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(word);
        let controls = word.wrapping_sub(all(b' ')) & !word & all(0x80);
        let special = zeros(word ^ all(b'=')) | zeros(word ^ all(0x7f)) | controls | (word & all(0x80));
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let done = window.len() - rest.len();
    done + rest
        .iter()
        .position(|&c| !PLAIN[c as usize])
        .unwrap_or(rest.len())
}

fn soft_break(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(b"=\r\n");
    0
}

fn escape(c: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'=', HEX[(c >> 4) as usize], HEX[(c & 15) as usize]]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        let mut out = Vec::new();
        encode(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn decoded(text: &str) -> Vec<u8> {
        let text = text.replace("=\r\n", "");
        let mut out = Vec::new();
        let mut bytes = text.bytes();
        while let Some(c) = bytes.next() {
            if c == b'=' {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            } else {
                out.push(c);
            }
        }
        out
    }

    #[test]
    fn equals_signs_octets_above_127_and_trailing_spaces_are_encoded() {
        assert_eq!(encoded("a=b ü \r\n\tx\t"), "a=3Db =C3=BC=20\r\n=09x=09");
        assert_eq!(encoded("\r\n.\r\nFrom x\r\n"), "\r\n.\r\nFrom x\r\n");
    }

    #[test]
    fn no_line_is_longer_than_76_and_everything_comes_back() {
        let pieces = ["a", "=", "ü", " ", "\t", "€", "\u{1f600}", "bcdef"];
        let mut seed = 1_u32;
        for length in 0..600 {
            let mut line = String::new();
            for _ in 0..length % 150 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                line.push_str(pieces[(seed >> 16) as usize % if length < 300 { 8 } else { 2 }]);
            }
            let text = format!("{line}\r\n{line}");
            let encoded = encoded(&text);
            assert_eq!(decoded(&encoded), text.as_bytes());
            for line in encoded.split("\r\n") {
                assert!(
                    line.len() <= 76 && !line.ends_with([' ', '\t']) && line.is_ascii(),
                    "{line:?}"
                );
            }
        }
    }

    #[test]
    fn a_run_ends_at_the_same_octet_however_many_are_looked_at_together() {
        for special in (0..=255_u8).filter(|&c| !PLAIN[c as usize]) {
            for at in 0..20 {
                let mut window = *b"a plain ~window! 123456789";
                window[at] = special;
                window[at + 3] = 0xff;
                assert_eq!(plain_run(&window), at, "{special}");
            }
        }
        assert_eq!(
            plain_run(&(b' '..=b'~').filter(|&c| c != b'=').collect::<Vec<_>>()),
            94
        );
    }

    #[test]
    fn a_line_of_exactly_76_needs_no_soft_break() {
        assert_eq!(encoded(&"a".repeat(76)), "a".repeat(76));
        assert_eq!(encoded(&"a".repeat(77)), format!("{}=\r\naa", "a".repeat(75)));
    }
}
