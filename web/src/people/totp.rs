//! Codes of a person's device: TOTP (RFC 6238) with SHA-1, six digits and steps of thirty seconds, which is what the programs on
//! telephones do. Pure: time is passed in.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use tidings_campaign::time::Timestamp;

/// Octets of a key (RFC 4226 section 4: 160 bits are recommended).
pub(crate) const KEY_OCTETS: usize = 20;
/// Seconds of a step.
const STEP: i64 = 30;
/// Clocks may differ by so many steps (RFC 6238 section 5.2 asks for one).
const DRIFT: i64 = 1;
const DIGITS: usize = 6;

/// The step whose code this is, if it is one that may be used now: not too old or new, and later than the last that was used.
pub(crate) fn step_of(code: &str, key: &[u8], last_step: i64, now: Timestamp) -> Option<i64> {
    let here = now.0.div_euclid(1_000_000 * STEP);
    (here - DRIFT..=here + DRIFT).rev().find(|step| {
        let expected = code_of(key, *step, DIGITS);
        *step > last_step && bool::from(expected.as_bytes().ct_eq(code.as_bytes()))
    })
}

/// A code as it was typed: devices show it in two groups.
pub(crate) fn typed(code: &str) -> String {
    code.chars()
        .filter(|c| !c.is_whitespace())
        .take(DIGITS + 1)
        .collect()
}

/// The code of a step (RFC 4226 section 5.3).
fn code_of(key: &[u8], step: i64, digits: usize) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let tag = mac.finalize().into_bytes();
    let at = usize::from(tag[19] & 0x0f);
    let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    let modulus = 10_u32.pow(u32::try_from(digits).expect("few digits"));
    format!("{:0digits$}", number % modulus)
}

/// The key as people type it, in groups of four.
pub(crate) fn key_to_type(key: &[u8]) -> String {
    let letters = BASE32_NOPAD.encode(key);
    let groups: Vec<&str> = (0..letters.len())
        .step_by(4)
        .map(|at| &letters[at..(at + 4).min(letters.len())])
        .collect();
    groups.join(" ")
}

/// What a device reads from a picture: the `otpauth` address that its programs agree on.
pub(crate) fn address(key: &[u8], email: &str) -> String {
    let label = utf8_percent_encode(email, NON_ALPHANUMERIC);
    format!(
        "otpauth://totp/Tidings:{label}?secret={}&issuer=Tidings",
        BASE32_NOPAD.encode(key)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(code_of(KEY, seconds / STEP, 8), code);
            assert_eq!(step_of(&code[2..], KEY, 0, at(seconds)), Some(seconds / STEP));
        }
    }

    #[test]
    fn a_code_works_half_a_minute_early_or_late_and_never_twice() {
        let code = code_of(KEY, 100, 6);
        for (step, works) in [(98, false), (99, true), (100, true), (101, true), (102, false)] {
            let found = step_of(&code, KEY, 0, at(step * STEP));
            assert_eq!(found, works.then_some(100), "at step {step}");
        }
        assert_eq!(step_of(&code, KEY, 100, at(3000)), None, "it was used");
        assert_eq!(step_of(&code, KEY, 101, at(3000)), None, "a later one was used");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for code in ["", "12345", "1234567", "abcdef", "９４２８７０"] {
            assert_eq!(step_of(&typed(code), KEY, 0, at(59)), None, "{code}");
        }
        assert_eq!(step_of(&typed(" 287 082 "), KEY, 0, at(59)), Some(1));
    }

    #[test]
    fn devices_are_told_the_key() {
        assert_eq!(key_to_type(KEY), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            address(KEY, "ann+x@example.com"),
            "otpauth://totp/Tidings:ann%2Bx%40example%2Ecom?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Tidings"
        );
    }
}
