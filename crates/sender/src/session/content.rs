//! The content of a message as it goes over the wire.

/// Dot-stuffs the content (RFC 5321 section 4.5.2) and appends the final dot.
pub(super) fn finish_content(content: &mut Vec<u8>) {
    if !content.ends_with(b"\r\n") {
        content.extend_from_slice(b"\r\n");
    }
    let mut at = usize::from(content.first() == Some(&b'.'));
    if at == 1 {
        content.insert(0, b'.');
    }
    while let Some(found) = memchr::memmem::find(&content[at..], b"\r\n.") {
        let dot = at + found + 2;
        content.insert(dot, b'.');
        at = dot + 2;
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
        ] {
            let mut octets = content.as_bytes().to_vec();
            finish_content(&mut octets);
            assert_eq!(String::from_utf8(octets).unwrap(), wire);
        }
    }
}
