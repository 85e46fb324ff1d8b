//! Section `[preflight]`.

use anyhow::ensure;
use serde::Deserialize;
use tidings_preflight::LinkSettings;

/// `check_links`, `TIDINGS_PREFLIGHT_CHECK_LINKS`; `allow_private_addresses`, `TIDINGS_PREFLIGHT_ALLOW_PRIVATE_ADDRESSES`;
/// `dkim_selector`, `TIDINGS_PREFLIGHT_DKIM_SELECTOR`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PreflightSection {
    check_links: Option<bool>,
    allow_private_addresses: Option<bool>,
    dkim_selector: Option<String>,
}

/// What pre-flight lists ask.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// How links are asked.
    pub links: LinkSettings,
    /// Where the relay's public key is, below `_domainkey`.
    pub dkim_selector: Option<String>,
}

impl Default for Preflight {
    fn default() -> Self {
        Preflight {
            links: LinkSettings {
                check: true,
                allow_private_addresses: false,
            },
            dkim_selector: None,
        }
    }
}

impl PreflightSection {
    pub(super) fn check(self) -> anyhow::Result<Preflight> {
        let defaults = Preflight::default().links;
        if let Some(selector) = &self.dkim_selector {
            // RFC 6376 section 3.1: labels of a domain name.
            let is_label = |label: &str| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
            };
            ensure!(
                selector.len() <= 200 && selector.split('.').all(is_label),
                "section [preflight]: dkim_selector = \"{selector}\" is not one: write what stands before ._domainkey in the name \
                 of the record, such as \"mail\""
            );
        }
        Ok(Preflight {
            links: LinkSettings {
                check: self.check_links.unwrap_or(defaults.check),
                allow_private_addresses: self
                    .allow_private_addresses
                    .unwrap_or(defaults.allow_private_addresses),
            },
            dkim_selector: self.dkim_selector,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_asked_outside_alone_unless_that_is_said() {
        let section = |text: &str| toml::from_str::<PreflightSection>(text).unwrap().check();
        let links = section("").unwrap().links;
        assert!(links.check && !links.allow_private_addresses);
        let links = section("check_links = false\nallow_private_addresses = true")
            .unwrap()
            .links;
        assert!(!links.check && links.allow_private_addresses);
        assert!(section("dkim_selector = \"k1.mail\"").is_ok());
        let error = section("dkim_selector = \"k1._domainkey.example.org;\"").unwrap_err();
        assert!(error.to_string().contains("._domainkey"), "{error}");
    }
}
