//! How the relay behaves: data, made before it starts.

use crate::record::Acceptance;
use crate::rule::Rule;
use crate::tls::Identity;
use std::sync::Arc;
use std::time::Duration;

/// What the relay announces in its reply to EHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 2920. Without it, a client that does not wait for each reply gets 503.
    pub pipelining: bool,
    /// RFC 6152. Without it, `BODY=8BITMIME` gets 555.
    pub eight_bit_mime: bool,
    /// RFC 1870: the greatest content in octets; more gets 552.
    pub size: Option<usize>,
    /// RFC 6531. Without it, the parameter SMTPUTF8 gets 555 and an address beyond ASCII 553.
    pub smtputf8: bool,
    /// RFC 3461. Without it, RET, ENVID, NOTIFY and ORCPT get 555.
    pub dsn: bool,
    /// RFC 2034. Without it, replies carry no enhanced status codes.
    pub enhanced_status_codes: bool,
}

impl Default for Extensions {
    fn default() -> Self {
        Extensions {
            pipelining: true,
            eight_bit_mime: true,
            size: Some(50 * 1024 * 1024),
            smtputf8: true,
            dsn: true,
            enhanced_status_codes: true,
        }
    }
}

/// Ways to log in (RFC 4954).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// Not standardised.
    Login,
    /// Google's, with an access token.
    Xoauth2,
}

impl Mechanism {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::Xoauth2 => "XOAUTH2",
        }
    }
}

/// When TLS begins.
#[derive(Clone)]
pub(crate) enum Tls {
    Never,
    AtOnce(Identity),
    Offered(Identity),
}

pub(crate) type TokenCheck = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;
pub(crate) type Watcher = Arc<dyn Fn(&Acceptance) + Send + Sync>;

/// How the relay behaves. Begin with [`Script::accepting`] or [`Script::sink`].
#[derive(Clone)]
pub struct Script {
    pub(crate) rules: Vec<Rule>,
    pub(crate) seed: u64,
    pub(crate) host: String,
    pub(crate) banner: String,
    pub(crate) extensions: Extensions,
    pub(crate) claimed: Option<Extensions>,
    pub(crate) tls: Tls,
    pub(crate) injected: String,
    pub(crate) login: Option<(String, String)>,
    pub(crate) token: Option<TokenCheck>,
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(crate) max_sessions: Option<u64>,
    pub(crate) max_messages_per_session: Option<u32>,
    pub(crate) delay: Duration,
    pub(crate) throttle: Option<u32>,
    pub(crate) pace: Option<f64>,
    pub(crate) swing: Option<(f64, Duration)>,
    pub(crate) data_without_recipients: bool,
    pub(crate) remember: bool,
    pub(crate) content_limit: usize,
    pub(crate) watcher: Option<Watcher>,
}

impl Script {
    /// Takes everything at once and remembers what it took.
    pub fn accepting() -> Self {
        Script {
            rules: Vec::new(),
            seed: 1,
            host: "relay.example.net".to_owned(),
            banner: "ready".to_owned(),
            extensions: Extensions::default(),
            claimed: None,
            tls: Tls::Never,
            injected: String::new(),
            login: None,
            token: None,
            mechanisms: vec![Mechanism::Plain, Mechanism::Login],
            max_sessions: None,
            max_messages_per_session: None,
            delay: Duration::ZERO,
            throttle: None,
            pace: None,
            swing: None,
            data_without_recipients: false,
            remember: true,
            content_limit: 0,
            watcher: None,
        }
    }

    /// Takes everything and keeps nothing but counts: memory does not grow with the number of messages.
    pub fn sink() -> Self {
        Script {
            remember: false,
            ..Script::accepting()
        }
    }

    pub(crate) fn wants_login(&self) -> bool {
        self.login.is_some() || self.token.is_some()
    }

    /// Adds a rule; the first that applies wins.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Decides what [`Rule::chance`] draws. 1 unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The text of the greeting after the host's name; a line feed makes it a multi-line banner.
    pub fn banner(mut self, text: &str) -> Self {
        self.banner = text.to_owned();
        self
    }

    /// What EHLO announces.
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = extensions;
        self
    }

    /// Announces everything but PIPELINING.
    pub fn without_pipelining(mut self) -> Self {
        self.extensions.pipelining = false;
        self
    }

    /// Announces these, and supports only what [`Script::extensions`] says.
    pub fn claiming(mut self, claimed: Extensions) -> Self {
        self.claimed = Some(claimed);
        self
    }

    /// Speaks TLS from the first octet.
    pub fn implicit_tls(mut self, identity: &Identity) -> Self {
        self.tls = Tls::AtOnce(identity.clone());
        self
    }

    /// Offers STARTTLS. A login is wanted and offered only after it.
    pub fn start_tls(mut self, identity: &Identity) -> Self {
        self.tls = Tls::Offered(identity.clone());
        self
    }

    /// Adds this in clear text to the answer to STARTTLS, as somebody in between could.
    pub fn injecting(mut self, text: &str) -> Self {
        self.injected = text.to_owned();
        self
    }

    /// Wants AUTH XOAUTH2 before MAIL, and takes a user and token for which `is_good` says yes.
    pub fn tokens(mut self, is_good: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        self.token = Some(Arc::new(is_good));
        self.mechanisms = vec![Mechanism::Xoauth2];
        self
    }

    /// Announces and takes these mechanisms instead of PLAIN and LOGIN.
    pub fn mechanisms(mut self, mechanisms: &[Mechanism]) -> Self {
        self.mechanisms = mechanisms.to_vec();
        self
    }

    /// Wants AUTH with this user and password before MAIL.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// A session beyond this number at once is greeted with 421.
    pub fn max_sessions(mut self, sessions: u64) -> Self {
        self.max_sessions = Some(sessions);
        self
    }

    /// After this number of accepted messages a session's next MAIL gets 421.
    pub fn max_messages_per_session(mut self, messages: u32) -> Self {
        self.max_messages_per_session = Some(messages);
        self
    }

    /// Waits before each write of replies; one wait for a pipelined group.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Beyond this number of recipients in one second, RCPT gets `450 4.7.1`.
    pub fn throttle(mut self, per_second: u32) -> Self {
        self.throttle = Some(per_second);
        self
    }

    /// Takes its time: replies to final dots are held back so that no more than this number of messages a
    /// second is accepted. Must be above 0.
    pub fn pace(mut self, per_second: f64) -> Self {
        self.pace = Some(per_second);
        self
    }

    /// Lets the pace swing around its mean by `share` (0 to 1) in this period, as a busy relay's does.
    pub fn swing(mut self, share: f64, period: Duration) -> Self {
        self.swing = Some((share, period));
        self
    }

    /// Answers DATA with 354 although no recipient was accepted (and the lone dot with 554).
    pub fn data_without_recipients(mut self) -> Self {
        self.data_without_recipients = true;
        self
    }

    /// Keeps the whole content of accepted messages, `octets` in total; what comes after is not kept.
    pub fn keep_content(mut self, octets: usize) -> Self {
        self.content_limit = octets;
        self
    }

    /// Calls `watcher` for every accepted message, in the session's task: it must be quick.
    pub fn watch(mut self, watcher: impl Fn(&Acceptance) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }
}
