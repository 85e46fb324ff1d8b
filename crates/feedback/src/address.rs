//! Addresses in texts that nobody promised to be well formed.

/// Where an address stands in a text, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first octet.
    pub start: usize,
    /// After its last octet.
    pub end: usize,
}

/// RFC 5321 allows 64 octets before and 255 after the `@`; forwarding schemes are more generous.
const LONGEST_LOCAL: usize = 256;
const LONGEST_DOMAIN: usize = 255;

/// All addresses in `text`, in their order.
pub fn spans(text: &str) -> impl Iterator<Item = Span> + '_ {
    let mut from = 0;
    memchr::memchr_iter(b'@', text.as_bytes()).filter_map(move |at| {
        let span = around(text, from, at)?;
        from = span.end;
        Some(span)
    })
}

/// All addresses in `text`, in their order, as they are written.
pub fn all(text: &str) -> impl Iterator<Item = &str> {
    spans(text).map(|span| &text[span.start..span.end])
}

/// The first address in `text`.
pub fn first(text: &str) -> Option<&str> {
    all(text).next()
}

fn around(text: &str, from: usize, at: usize) -> Option<Span> {
    let octets = text.as_bytes();
    let start = local_start(octets, from, at)?;
    let bracketed = start > 0 && octets[start - 1] == b'<';
    let end = domain_end(octets, at + 1, bracketed)?;
    (text.is_char_boundary(start) && text.is_char_boundary(end)).then_some(Span { start, end })
}

fn domain_end(octets: &[u8], start: usize, bracketed: bool) -> Option<usize> {
    if octets.get(start) == Some(&b'[') {
        let limit = octets.len().min(start + LONGEST_DOMAIN);
        let close = octets[start..limit].iter().position(|b| *b == b']')?;
        let literal = &octets[start + 1..start + close];
        let fits = literal
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':'));
        return (fits && close > 1).then_some(start + close + 1);
    }
    // Not allowed, and yet seen in reports on such addresses.
    let mut end = start + usize::from(octets.get(start) == Some(&b'#'));
    while end < octets.len()
        && end - start < LONGEST_DOMAIN
        && (is_domain_octet(octets[end]) || bracketed && !octets[end].is_ascii())
    {
        end += 1;
    }
    while end > start && matches!(octets[end - 1], b'.' | b'-' | b'_') {
        end -= 1;
    }
    let domain = &octets[start..end];
    let starts_well = domain
        .iter()
        .find(|b| **b != b'#')
        .is_some_and(|b| b.is_ascii_alphanumeric() || !b.is_ascii());
    (starts_well && !domain.windows(2).any(|two| two == b"..")).then_some(end)
}

fn local_start(octets: &[u8], from: usize, at: usize) -> Option<usize> {
    let limit = from.max(at.saturating_sub(LONGEST_LOCAL));
    if at > limit && octets[at - 1] == b'"' {
        let open = octets[limit..at - 1].iter().rposition(|b| *b == b'"')?;
        return (open + limit + 2 < at).then_some(limit + open);
    }
    let mut start = at;
    while start > limit && is_local_octet(octets[start - 1]) {
        start -= 1;
    }
    // Outside of angle brackets, letters of other scripts are the sentence, not the address.
    let bracketed = start > limit && octets[start - 1] == b'<';
    let other = octets[start..at].iter().rposition(|b| !b.is_ascii());
    if let Some(other) = other.filter(|_| !bracketed) {
        start += other + 1;
    }
    // An encoded word (RFC 2047) has no place there, and yet some write to such addresses.
    let is_encoded = octets[start..at].starts_with(b"=?");
    while start < at
        && !is_encoded
        && matches!(
            octets[start],
            b'\'' | b'.' | b'*' | b'=' | b'|' | b'`' | b'/' | b'-' | b'!' | b'?' | b'#'
        )
    {
        start += 1;
    }
    // The form of an X.400 gateway: `dda:SMTP=ann@example.com`.
    if octets[start..at]
        .get(..5)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"smtp="))
    {
        start += 5;
    }
    (start < at).then_some(start)
}

fn is_local_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || !octet.is_ascii() || b"!#$%&'*+/=?^_`{|}~.-".contains(&octet)
}

fn is_domain_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_')
}

/// The part after the last `@`, in lower case.
pub fn domain(address: &str) -> String {
    address
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// The part before the last `@`, in lower case.
pub fn local(address: &str) -> String {
    address
        .rsplit_once('@')
        .map(|(local, _)| local)
        .unwrap_or_default()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_the_midst_of_a_text() {
        for (text, addresses) in [
            ("to <ann@example.com>: no", &["ann@example.com"][..]),
            (
                "'ann@example.com' and ben@example.org.",
                &["ann@example.com", "ben@example.org"],
            ),
            ("\"ann b\"@example.com", &["\"ann b\"@example.com"]),
            ("ann@[192.0.2.1] said", &["ann@[192.0.2.1]"]),
            (
                "SRS0=a=b=example.org=ann@example.com",
                &["SRS0=a=b=example.org=ann@example.com"],
            ),
            ("宛先ann@example.com", &["ann@example.com"]),
            (
                "<=?utf-8?B?YW5u?=@example.com>",
                &["=?utf-8?B?YW5u?=@example.com"],
            ),
            ("<jürgen@example.com>", &["jürgen@example.com"]),
            ("@ @@ a@ @b", &[]),
            ("x@y", &["x@y"]),
        ] {
            assert_eq!(all(text).collect::<Vec<_>>(), addresses, "{text}");
        }
    }
}
