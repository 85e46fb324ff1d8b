//! Who runs a recipient's mailbox, told by the address's domain.

/// Any provider that is not a large one.
pub const OTHER: &str = "other";

/// The provider of a domain: the name of a large provider that owns it, or [`OTHER`]. A short word, so that counters by
/// provider stay few whatever the number of domains.
pub fn by_domain(domain: &str) -> &'static str {
    const KNOWN: &[(&str, &[&str])] = &[
        ("gmail", &["gmail.com", "googlemail.com"]),
        (
            "microsoft",
            &[
                "outlook.com",
                "hotmail.com",
                "live.com",
                "msn.com",
                "hotmail.co.uk",
                "hotmail.fr",
                "outlook.de",
            ],
        ),
        (
            "yahoo",
            &[
                "yahoo.com",
                "ymail.com",
                "rocketmail.com",
                "yahoo.co.uk",
                "yahoo.fr",
                "yahoo.de",
                "aol.com",
            ],
        ),
        ("apple", &["icloud.com", "me.com", "mac.com"]),
        (
            "gmx",
            &["gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de"],
        ),
        ("telekom", &["t-online.de", "magenta.de"]),
        ("orange", &["orange.fr", "wanadoo.fr"]),
        ("proton", &["proton.me", "protonmail.com", "pm.me"]),
    ];
    KNOWN
        .iter()
        .find(|(_, domains)| domains.contains(&domain))
        .map_or(OTHER, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::by_domain;

    #[test]
    fn domains_of_one_provider_count_together() {
        assert_eq!(by_domain("googlemail.com"), by_domain("gmail.com"));
        assert_eq!(by_domain("example.org"), "other");
    }
}
