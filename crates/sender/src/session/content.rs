//! The content of a message as it goes over the wire.

/// Dot-stuffs the content (RFC 5321 section 4.5.2) and appends the final dot.
pub(super) fn finish_content(content: &mut Vec<u8>) {
    if !content.ends_with(b"\r\n") {
        content.extend_from_slice(b"\r\n");
    }
    let first = content.starts_with(b".").then_some(0);
    let others = memchr::memmem::find_iter(content, b"\r\n.").map(|at| at + 2);
    let dots: Vec<usize> = first.into_iter().chain(others).collect();
    // From the end, so that everything is moved once: behind a text with many dots there may be megabytes of files.
    let mut end = content.len();
    content.resize(end + dots.len(), b'.');
    let mut to = content.len();
    for dot in dots.into_iter().rev() {
        to -= end - dot;
        content.copy_within(dot..end, to);
        to -= 1;
        content[to] = b'.';
        end = dot;
    }
    content.extend_from_slice(b".\r\n");
}

#[cfg(test)]
mod tests {
    use super::finish_content;

    #[test]
    fn lines_that_begin_with_a_dot_are_stuffed() {
        for (content, wire) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.\r\n.b\r\nc.\r\n", "a\r\n..\r\n..b\r\nc.\r\n.\r\n"),
            ("\r\n.\r\n", "\r\n..\r\n.\r\n"),
            (
                ".\r\n.\r\n..a\r\nb.\r\n.",
                "..\r\n..\r\n...a\r\nb.\r\n..\r\n.\r\n",
            ),
        ] {
            let mut octets = content.as_bytes().to_vec();
            finish_content(&mut octets);
            assert_eq!(String::from_utf8(octets).unwrap(), wire);
        }
    }
}
