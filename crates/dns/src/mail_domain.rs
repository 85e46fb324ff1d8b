//! Whether a domain takes mail at all (RFC 5321 section 5.1, RFC 7505).

use crate::{NoAnswer, Resolver};

/// What the DNS says of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesMail {
    /// It names hosts that take its mail, or is one.
    Yes,
    /// It says that it takes none.
    Refuses,
    /// It does not exist, or names no host and is none.
    Nowhere,
}

impl Resolver {
    /// Whether a domain takes mail. A domain without MX takes it itself, if it has an address.
    pub async fn takes_mail(&self, domain: &str) -> Result<TakesMail, NoAnswer> {
        let hosts = self.mx(domain).await?;
        Ok(if hosts.iter().any(|mx| !mx.host.is_empty()) {
            TakesMail::Yes
        } else if !hosts.is_empty() {
            TakesMail::Refuses
        } else if self.has_address(domain).await? {
            TakesMail::Yes
        } else {
            TakesMail::Nowhere
        })
    }
}
