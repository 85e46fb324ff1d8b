//! The configuration file of a test.

use std::fmt::Write;

/// What a test may want otherwise in `tidings.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[[relay]] url`, with `{port}` for the relay's port; clear text to its address if absent.
    pub url: Option<String>,
    /// Sessions to the relay at once.
    pub max_sessions: usize,
    /// `[[relay]] rate`, for example `50/s`; unlimited if absent.
    pub rate: Option<String>,
    /// `[sender] lease`: how long a sender's claim outlives the sender.
    pub lease: String,
    /// `[retry] first`: how long a deferred delivery waits before its second attempt.
    pub first_retry: String,
    /// `[dns] servers`: whom to ask about domains; nobody if absent.
    pub dns: Option<std::net::SocketAddr>,
    /// `[web] trusted_proxies`: who may say in X-Forwarded-For where a request comes from.
    pub trusted_proxies: Vec<String>,
    /// `[web] largest_upload`: how large a file may be that is uploaded to be imported.
    pub largest_upload: String,
    /// Whatever else the file is to contain, after the rest.
    pub more: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            max_sessions: 8,
            rate: None,
            lease: "2s".to_owned(),
            first_retry: "1s".to_owned(),
            dns: None,
            trusted_proxies: Vec::new(),
            largest_upload: "1 GiB".to_owned(),
            more: String::new(),
        }
    }
}

impl Settings {
    /// Where the test's installation would be reached from outside.
    pub const PUBLIC_URL: &str = "https://news.example.com";

    /// The text of `tidings.toml` for a relay at this address.
    pub fn to_toml(&self, relay: std::net::SocketAddr) -> String {
        let Settings {
            url,
            max_sessions,
            rate,
            lease,
            first_retry,
            dns,
            trusted_proxies,
            largest_upload,
            more,
        } = self;
        let url = match url {
            Some(url) => url.replace("{port}", &relay.port().to_string()),
            None => format!("smtp://{relay}?tls=never"),
        };
        let dns = match dns {
            Some(server) => format!("servers = [\"{server}\"]\ntimeout = \"1s\""),
            None => "enabled = false".to_owned(),
        };
        let public_url = Self::PUBLIC_URL;
        let mut text = format!(
            "public_url = \"{public_url}\"\n\
             \n[web]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = {trusted_proxies:?}\n\
             largest_upload = \"{largest_upload}\"\n\
             \n[sender]\nlease = \"{lease}\"\n\
             \n[retry]\nfirst = \"{first_retry}\"\n\
             \n[dns]\n{dns}\n\
             \n[[relay]]\nname = \"primary\"\nurl = \"{url}\"\nmax_sessions = {max_sessions}\n"
        );
        if let Some(rate) = rate {
            writeln!(text, "rate = \"{rate}\"").expect("writing to a String");
        }
        text + "\n" + more
    }
}
