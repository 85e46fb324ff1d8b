//! Section `[sign_up]`.

use super::duration;
use anyhow::{bail, ensure};
use serde::Deserialize;
use std::time::Duration;
use tidings_campaign::letter::LetterCaps;
use tidings_web::{NetworksKept, SignUpSettings};

/// How sign-ups are taken, and how many letters strangers may cause.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignUpSection {
    link_valid: Option<String>,
    keep_network: Option<String>,
    ipv6_prefix: Option<u8>,
    max_letters_to_address_per_day: Option<u32>,
    max_letters_by_network_per_hour: Option<u32>,
    max_letters_of_list_per_hour: Option<u32>,
}

const MINUTE: Duration = Duration::from_secs(60);
const MONTH: Duration = Duration::from_secs(31 * 86_400);

impl SignUpSection {
    pub(super) fn check(self) -> anyhow::Result<SignUpSettings> {
        let default = SignUpSettings::default();
        let link_valid = match self.link_valid {
            Some(text) => duration("sign_up", "link_valid", &text)?,
            None => default.link_valid,
        };
        ensure!(
            (MINUTE..=MONTH).contains(&link_valid),
            "section [sign_up]: link_valid is between 1m and 31days"
        );
        let networks = match self.keep_network.as_deref() {
            None => default.networks,
            Some("hash") => NetworksKept::Hash,
            Some("address") => NetworksKept::Address,
            Some("nothing") => NetworksKept::Nothing,
            Some(other) => {
                bail!("section [sign_up]: keep_network = \"{other}\" is none of address, hash, nothing")
            }
        };
        let ipv6_prefix = self.ipv6_prefix.unwrap_or(default.ipv6_prefix);
        ensure!(
            (48..=64).contains(&ipv6_prefix),
            "section [sign_up]: ipv6_prefix = {ipv6_prefix} is not between 48 and 64"
        );
        let default = default.caps;
        let caps = LetterCaps {
            address_per_day: self
                .max_letters_to_address_per_day
                .unwrap_or(default.address_per_day),
            network_per_hour: self
                .max_letters_by_network_per_hour
                .unwrap_or(default.network_per_hour),
            list_per_hour: self.max_letters_of_list_per_hour.unwrap_or(default.list_per_hour),
        };
        Ok(SignUpSettings {
            caps,
            link_valid,
            ipv6_prefix,
            networks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        for (text, part) in [
            ("link_valid = \"1s\"", "between 1m and 31days"),
            ("keep_network = \"all\"", "address, hash, nothing"),
            ("ipv6_prefix = 128", "between 48 and 64"),
        ] {
            let section: SignUpSection = toml::from_str(text).unwrap();
            let error = section.check().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("[sign_up]"), "{error}");
        }
    }
}
