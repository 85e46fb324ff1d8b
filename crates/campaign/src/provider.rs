//! Who runs a recipient's mailbox, told by the address's domain or by the hosts that take its mail.

/// Any provider that is not a large one.
pub const OTHER: &str = "other";

/// A provider's word, its domains, and what the names of its MX hosts end with.
type Known = (&'static str, &'static [&'static str], &'static [&'static str]);

/// A short word each, so that counters by provider stay few whatever the number of domains. Filters that stand before
/// other people's mailboxes (from `proofpoint` on) are who hears us, so they count as the provider.
const KNOWN: &[Known] = &[
    (
        "gmail",
        &["gmail.com", "googlemail.com"],
        &["google.com", "googlemail.com"],
    ),
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
        &[
            "mail.protection.outlook.com",
            "olc.protection.outlook.com",
            "mx.microsoft",
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
        &["yahoodns.net"],
    ),
    ("apple", &["icloud.com", "me.com", "mac.com"], &["icloud.com"]),
    (
        "gmx",
        &["gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de"],
        &["gmx.net", "gmx.com", "web.de"],
    ),
    (
        "ionos",
        &[],
        &["kundenserver.de", "perfora.net", "ionos.de", "ionos.com"],
    ),
    ("telekom", &["t-online.de", "magenta.de"], &["t-online.de"]),
    (
        "orange",
        &["orange.fr", "wanadoo.fr"],
        &["orange.fr", "wanadoo.fr"],
    ),
    (
        "proton",
        &["proton.me", "protonmail.com", "pm.me"],
        &["protonmail.ch", "proton.me"],
    ),
    ("fastmail", &[], &["messagingengine.com"]),
    ("zoho", &[], &["zoho.com", "zoho.eu", "zoho.in"]),
    ("yandex", &[], &["yandex.net", "yandex.ru"]),
    ("mail.ru", &[], &["mail.ru"]),
    ("ovh", &[], &["ovh.net", "ovh.ca"]),
    ("godaddy", &[], &["secureserver.net"]),
    ("rackspace", &[], &["emailsrvr.com"]),
    ("tencent", &[], &["qq.com"]),
    ("netease", &[], &["netease.com", "163.com", "126.com"]),
    ("proofpoint", &[], &["pphosted.com", "ppe-hosted.com"]),
    ("mimecast", &[], &["mimecast.com"]),
    ("barracuda", &[], &["barracudanetworks.com"]),
    ("cisco", &[], &["iphmx.com"]),
    ("trendmicro", &[], &["trendmicro.com", "trendmicro.eu"]),
    ("symantec", &[], &["messagelabs.com"]),
];

/// The provider of a domain: the name of a large provider that owns it, or [`OTHER`].
pub fn by_domain(domain: &str) -> &'static str {
    KNOWN
        .iter()
        .find(|(_, domains, _)| domains.contains(&domain))
        .map_or(OTHER, |(name, ..)| name)
}

/// The provider of a domain whose mail these hosts take, each with its preference: that of the host which is asked
/// first, or [`OTHER`].
pub fn by_mx<'h>(hosts: impl IntoIterator<Item = (u16, &'h str)>) -> &'static str {
    let hosts: Vec<_> = hosts.into_iter().collect();
    let Some(lowest) = hosts.iter().map(|(preference, _)| *preference).min() else {
        return OTHER;
    };
    hosts
        .iter()
        .filter(|(preference, _)| *preference == lowest)
        .find_map(|(_, host)| by_host(host))
        .unwrap_or(OTHER)
}

fn by_host(host: &str) -> Option<&'static str> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |suffix: &&str| {
        host.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let found = KNOWN.iter().find(|(.., hosts)| hosts.iter().any(is_below));
    found.map(|(name, ..)| *name)
}

/// The provider with this name, as [`by_domain`] and [`by_mx`] give it.
pub fn by_name(name: &str) -> Option<&'static str> {
    let names = KNOWN.iter().map(|(name, ..)| *name).chain([OTHER]);
    names.into_iter().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_one_provider_count_together() {
        assert_eq!(by_domain("googlemail.com"), by_domain("gmail.com"));
        assert_eq!(by_domain("example.org"), "other");
    }

    #[test]
    fn hosts_that_take_a_domains_mail_tell_its_provider() {
        for (host, provider) in [
            ("aspmx.l.google.com", "gmail"),
            ("ASPMX2.GoogleMail.com.", "gmail"),
            ("example-org.mail.protection.outlook.com", "microsoft"),
            ("outlook-com.olc.protection.outlook.com", "microsoft"),
            ("example-org.a-v1.mx.microsoft", "microsoft"),
            ("mta5.am0.yahoodns.net", "yahoo"),
            ("mx01.mail.icloud.com", "apple"),
            ("mx00.kundenserver.de", "ionos"),
            ("mxa-00000000.gslb.pphosted.com", "proofpoint"),
            ("mxbiz1.qq.com", "tencent"),
            ("mx.example.org", OTHER),
        ] {
            assert_eq!(by_mx([(10, host)]), provider, "{host}");
        }
    }

    #[test]
    fn a_name_that_only_ends_alike_is_another() {
        assert_eq!(by_mx([(1, "mx.notgoogle.com")]), OTHER);
        assert_eq!(by_mx([(1, "google.com.example.org")]), OTHER);
    }

    #[test]
    fn the_host_that_is_asked_first_decides() {
        let filtered = [(20, "aspmx.l.google.com"), (10, "mx1.example.iphmx.com")];
        assert_eq!(by_mx(filtered), "cisco");
        assert_eq!(by_mx([(20, "aspmx.l.google.com"), (10, "mx.example.org")]), OTHER);
        let alike = [(10, "mx.example.org"), (10, "aspmx.l.google.com")];
        assert_eq!(by_mx(alike), "gmail");
        assert_eq!(by_mx([]), OTHER);
    }

    #[test]
    fn every_provider_is_found_again_by_its_name() {
        for (name, ..) in KNOWN {
            assert_eq!(by_name(name), Some(*name));
        }
        assert_eq!(by_name(OTHER), Some(OTHER));
        assert_eq!(by_name("nobody"), None);
    }
}
