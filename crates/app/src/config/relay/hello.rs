//! The name that EHLO says.

use anyhow::ensure;
use std::net::IpAddr;

/// A host name or an address literal; this machine's if none is given.
pub(in crate::config) fn check(name: Option<String>) -> anyhow::Result<String> {
    let Some(name) = name else {
        return Ok(own_name());
    };
    // An address is meant as the literal that the protocol wants.
    let name = match name.parse() {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => name,
    };
    ensure!(
        !name.is_empty() && name.len() <= 255 && name.bytes().all(|octet| octet.is_ascii_graphic()),
        "hello = \"{name}\" is not a host name: write it as mail.example.com or [192.0.2.7]"
    );
    Ok(name)
}

/// The machine's name if it is a full one, else an address literal (RFC 5321 section 4.1.4).
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'.' || octet == b'-';
    if name.contains('.') && name.bytes().all(fits) {
        name.to_owned()
    } else {
        "[127.0.0.1]".to_owned()
    }
}
