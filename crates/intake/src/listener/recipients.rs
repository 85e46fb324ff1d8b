//! Whom mail is taken for: who holds a token of ours, a complaint address, and whom RFC 5321 wants to be reached.

use tidings_campaign::token::{DeliveryToken, KeyRing, UnsubscribeToken};

/// Local parts that every domain that takes mail must know (RFC 5321 section 4.5.1, RFC 2142 section 2).
const OFFICES: [&str; 2] = ["postmaster", "abuse"];

/// Whom a listener takes mail for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// The domains of return paths and unsubscribe addresses, in lower case. None: a token is taken at any domain,
    /// since it proves itself.
    pub domains: Vec<String>,
    /// The whole addresses to which feedback loops report, in lower case.
    pub complaints: Vec<String>,
}

/// What an address that is taken is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It names a delivery or a subscription by its token, or is a complaint address.
    Feedback,
    /// People write there, and whoever else likes.
    Office,
}

/// Why mail for an address is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its domain is not ours.
    NotRelayed,
    /// Nobody of this name is here: no token of ours, or one that was changed.
    Unknown,
}

impl Recipients {
    /// Whether mail for `address` is taken. Letters count alike in either case, since hosts on the way may change it.
    pub(super) fn judge(&self, address: &str, keys: &KeyRing) -> Result<Purpose, Refusal> {
        let (local, domain) = address.rsplit_once('@').ok_or(Refusal::Unknown)?;
        let is = |known: &String| known.eq_ignore_ascii_case(address);
        if self.complaints.iter().any(is) {
            return Ok(Purpose::Feedback);
        }
        let is_ours = self.domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain));
        if !is_ours && !self.domains.is_empty() {
            return Err(Refusal::NotRelayed);
        }
        match bears_token(local, keys) {
            Some(true) => Ok(Purpose::Feedback),
            _ if is_ours && is_office(local) => Ok(Purpose::Office),
            None if !is_ours => Err(Refusal::NotRelayed),
            _ => Err(Refusal::Unknown),
        }
    }
}

/// Whether the token after `b-` or `u-` is signed by us; nothing if there is no such thing.
fn bears_token(local: &str, keys: &KeyRing) -> Option<bool> {
    let (kind, token) = local.split_at_checked("b-".len())?;
    match kind {
        "b-" | "B-" => Some(DeliveryToken::verify(token, keys).is_ok()),
        "u-" | "U-" => Some(UnsubscribeToken::verify(token, keys).is_ok()),
        _ => None,
    }
}

fn is_office(local: &str) -> bool {
    OFFICES.iter().any(|office| office.eq_ignore_ascii_case(local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::tests::{bounce_address, forged_address, keys, unsubscribe_address};

    fn ours() -> Recipients {
        Recipients {
            domains: vec!["bounce.example.com".to_owned()],
            complaints: vec!["fbl@example.com".to_owned()],
        }
    }

    fn judge(address: &str) -> Result<Purpose, Refusal> {
        ours().judge(address, &keys())
    }

    #[test]
    fn tokens_of_ours_are_taken_in_either_case() {
        for address in [bounce_address(), unsubscribe_address()] {
            assert_eq!(judge(&address), Ok(Purpose::Feedback), "{address}");
            assert_eq!(judge(&address.to_uppercase()), Ok(Purpose::Feedback), "{address}");
        }
    }

    #[test]
    fn a_token_that_was_changed_is_nobody() {
        let as_other_kind = bounce_address().replacen("b-", "u-", 1);
        for address in [
            &forged_address(),
            &as_other_kind,
            "b-@bounce.example.com",
            "b-ä@bounce.example.com",
        ] {
            assert_eq!(judge(address), Err(Refusal::Unknown), "{address}");
        }
    }

    #[test]
    fn nothing_is_relayed() {
        let elsewhere = bounce_address().replace("bounce.example.com", "bounce.example.org");
        for address in [
            &elsewhere,
            "ann@example.org",
            "postmaster@example.org",
            "ann@example.org@sub.bounce.example.com",
        ] {
            assert_eq!(judge(address), Err(Refusal::NotRelayed), "{address}");
        }
        assert_eq!(judge("ann%example.org@bounce.example.com"), Err(Refusal::Unknown));
    }

    #[test]
    fn complaint_addresses_and_offices_are_taken() {
        assert_eq!(judge("FBL@Example.com"), Ok(Purpose::Feedback));
        assert_eq!(judge("Postmaster@bounce.example.com"), Ok(Purpose::Office));
        assert_eq!(judge("abuse@BOUNCE.example.com"), Ok(Purpose::Office));
        assert_eq!(judge("sales@bounce.example.com"), Err(Refusal::Unknown));
        assert_eq!(judge("fbl@example.org"), Err(Refusal::NotRelayed));
        assert_eq!(judge("nobody"), Err(Refusal::Unknown));
    }

    #[test]
    fn without_domains_a_token_proves_itself() {
        let any = Recipients::default();
        let elsewhere = bounce_address().replace("bounce.example.com", "example.org");
        assert_eq!(any.judge(&elsewhere, &keys()), Ok(Purpose::Feedback));
        for (address, refusal) in [
            ("postmaster@example.org", Refusal::NotRelayed),
            ("ann@example.org", Refusal::NotRelayed),
            ("b-aaaa@example.org", Refusal::Unknown),
        ] {
            assert_eq!(any.judge(address, &keys()), Err(refusal), "{address}");
        }
    }
}
