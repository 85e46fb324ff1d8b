//! SendGrid signs a time and the post as it is, by ECDSA on P-256 with SHA-256.

use super::CLOCKS_DIFFER;
use super::door::field;
use super::refused::Refused;
use actix_web::HttpRequest;
use data_encoding::BASE64;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::time::Duration;
use tidings_campaign::time::Timestamp;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

const SIGNATURE: &str = "X-Twilio-Email-Event-Webhook-Signature";
const TIMESTAMP: &str = "X-Twilio-Email-Event-Webhook-Timestamp";
/// A point that is not compressed, on P-256.
const POINT: usize = 65;

/// The key with which SendGrid's signatures are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// The key as SendGrid shows it: a `SubjectPublicKeyInfo` in base64, with or without the lines of PEM around it.
    pub fn parse(text: &str) -> Option<PublicKey> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("-----"));
        let der = BASE64.decode(lines.collect::<String>().as_bytes()).ok()?;
        let (rest, info) = SubjectPublicKeyInfo::from_der(&der).ok()?;
        let point = info.subject_public_key.data.to_vec();
        (rest.is_empty() && point.len() == POINT && point[0] == 4).then_some(PublicKey(point))
    }
}

/// Whether a post is SendGrid's, and not older than `window`.
pub(super) fn check(
    key: &PublicKey,
    window: Duration,
    now: Timestamp,
    request: &HttpRequest,
    body: &[u8],
) -> Result<(), Refused> {
    let (Some(signature), Some(time)) = (field(request, SIGNATURE), field(request, TIMESTAMP)) else {
        return Err(Refused::Forged(
            "the signed event webhook must be switched on at SendGrid",
        ));
    };
    let signature = BASE64
        .decode(signature.trim().as_bytes())
        .map_err(|_| Refused::Forged("it is not base64"))?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.0)
        .verify(&[time.as_bytes(), body].concat(), &signature)
        .map_err(|_| Refused::Forged("it is not of this key, or something was changed"))?;
    within(window, now, time)
}

/// Whether a signed time, in seconds since 1970, is of now.
pub(super) fn within(window: Duration, now: Timestamp, time: &str) -> Result<(), Refused> {
    // Beyond this it would not be a time in microseconds.
    const LATEST: i64 = 1 << 40;
    let seconds: i64 = time.trim().parse().unwrap_or(0);
    let signed = Timestamp::from_seconds(seconds.clamp(0, LATEST));
    if now.since(signed) > window {
        return Err(Refused::Replayed("The post was signed too long ago."));
    }
    if signed.since(now) > CLOCKS_DIFFER {
        return Err(Refused::Replayed(
            "The post was signed in the future: one of the clocks is wrong.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_on_p_256_is_one() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let key = pair.public_key_pem();
        assert!(PublicKey::parse(&key).is_some());
        let bare: String = key.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(PublicKey::parse(&bare), PublicKey::parse(&key));
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        for text in ["", "key", &other.public_key_pem(), &bare[..40]] {
            assert_eq!(PublicKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_signed_time_is_of_now() {
        let now = Timestamp::from_seconds(1_750_000_000);
        let hour = Duration::from_secs(3600);
        for (time, is_of_now) in [
            ("1750000000", true),
            ("1749996401", true),
            ("1750000500", true),
            ("1749996399", false),
            ("1750000601", false),
            ("-1", false),
            ("9223372036854775807", false),
            ("soon", false),
        ] {
            assert_eq!(within(hour, now, time).is_ok(), is_of_now, "{time}");
        }
    }
}
