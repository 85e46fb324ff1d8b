//! Whose certificates count at a relay, and which one is shown to it.

use super::RelaySection;
use anyhow::{Context, bail, ensure};
use std::path::Path;
use tidings_sender::relay::{TlsMode, Trust};

impl RelaySection {
    pub(super) fn trust(&self, tls: TlsMode) -> anyhow::Result<Trust> {
        let checked = match self.certificate_check.as_deref() {
            None | Some("full") => true,
            Some("none") => false,
            Some(other) => bail!("certificate_check = \"{other}\": it is full (the default) or none"),
        };
        ensure!(
            checked || self.ca_file.is_none(),
            "certificate_check = \"none\" and ca_file exclude each other: drop certificate_check to check against ca_file"
        );
        let trust = match &self.ca_file {
            _ if !checked => Trust::unchecked(),
            None => Trust::default(),
            Some(file) => Trust::roots(&read("ca_file", file)?)
                .with_context(|| format!("ca_file = {}", file.display()))?,
        };
        let trust = match (&self.client_certificate, &self.client_key) {
            (None, None) => trust,
            (Some(certificate), Some(key)) => trust
                .showing(
                    &read("client_certificate", certificate)?,
                    &read("client_key", key)?,
                )
                .with_context(|| {
                    format!(
                        "client_certificate = {}, client_key = {}",
                        certificate.display(),
                        key.display()
                    )
                })?,
            (Some(_), None) => {
                bail!("there is a client_certificate and no client_key: add the file of its private key")
            }
            (None, Some(_)) => {
                bail!("there is a client_key and no client_certificate: add the file of the certificate")
            }
        };
        let given = self.ca_file.is_some() || self.client_certificate.is_some() || !checked;
        ensure!(
            !given || tls != TlsMode::Never,
            "ca_file, certificate_check and client_certificate mean nothing without TLS: write ?tls=required behind the url"
        );
        Ok(trust)
    }
}

fn read(key: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {key} = {}", file.display()))
}
