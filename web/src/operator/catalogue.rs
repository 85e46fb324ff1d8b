//! The settings that the dashboard shows, with the words for each.
//!
//! What names a file whose content leaves this machine, a command, or a variable is shown and cannot be changed here: else
//! whoever administrates the dashboard could read the machine's files and run commands on it.

use super::Part;

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One word, or several with commas between them.
    List,
    /// What is written and never shown.
    Secret,
    /// It is shown, and changed in the file alone.
    FileOnly,
}

/// When a change holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// As soon as it is written.
    AtOnce,
    /// At once for what relays answer, after a restart for what comes back later.
    AtOnceForReplies,
    /// After a restart.
    AfterRestart,
}

/// A setting.
#[derive(Debug)]
pub struct Entry {
    /// As in the file; `timeouts.connect` stands in a section of its own.
    pub key: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// What people call it.
    pub label: &'static str,
    /// What to write, and what follows.
    pub hint: &'static str,
    /// What holds if nothing is written; empty: nothing.
    pub default: &'static str,
    /// When a change holds.
    pub holds: Holds,
    /// Under which heading it stands, where a part has several.
    pub group: &'static str,
}

/// The key under which a new password comes; the file gets the name of a file with it.
pub const SECRET: &str = "password";

const fn entry(key: &'static str, kind: Kind, label: &'static str) -> Entry {
    Entry {
        key,
        kind,
        label,
        hint: "",
        default: "",
        holds: Holds::AtOnce,
        group: "",
    }
}

impl Entry {
    const fn hint(mut self, hint: &'static str) -> Entry {
        self.hint = hint;
        self
    }
    const fn default(mut self, default: &'static str) -> Entry {
        self.default = default;
        self
    }
    const fn holds(mut self, holds: Holds) -> Entry {
        self.holds = holds;
        self
    }
    const fn under(mut self, group: &'static str) -> Entry {
        self.group = group;
        self
    }
}

const LOGIN: &str = "Login";
const SPEED: &str = "Speed";
const CERTIFICATES: &str = "Certificates";
const REACHED: &str = "How it is reached";
const PATIENCE: &str = "Patience";

const RELAY: &[Entry] = &[
    entry("url", Kind::Text, "URL")
        .hint("smtps://user@smtp.example.com:465, or smtp://user@smtp.example.com:587; ?tls=required behind it insists on encryption"),
    entry(SECRET, Kind::Secret, "Password").under(LOGIN)
        .hint("Kept in a file that only the server reads, and never shown again. Empty: as it is."),
    entry("auth", Kind::OneOf(&["plain", "login", "xoauth2"]), "Mechanism").under(LOGIN)
        .default("the best that is offered"),
    entry("auth_over_clear_text", Kind::Flag, "Log in without encryption").under(LOGIN).default("false"),
    entry("password_file", Kind::FileOnly, "File of the password").under(LOGIN),
    entry("password_env", Kind::FileOnly, "Variable of the password").under(LOGIN),
    entry("token_command", Kind::FileOnly, "Command that prints a token").under(LOGIN),
    entry("token_file", Kind::FileOnly, "File of a token").under(LOGIN),
    entry("max_sessions", Kind::Number, "Sessions at once").under(SPEED).default("20")
        .hint("Open connections, of all senders together."),
    entry("rate", Kind::List, "Rate").under(SPEED).hint("200/s, or several with commas: 200/s, 50000/h").default("no limit"),
    entry("weight", Kind::Number, "Weight").under(SPEED).default("1").hint("Its share among relays of the same priority."),
    entry("priority", Kind::Number, "Priority").under(SPEED).default("10").hint("The lowest number goes first; others step in when it fails."),
    entry("messages_per_session", Kind::Number, "Messages in a session").under(SPEED).default("no limit"),
    entry("idle_timeout", Kind::Text, "A session rests for").under(SPEED).default("5s"),
    entry("certificate_check", Kind::OneOf(&["full", "none"]), "Check of the certificate").under(CERTIFICATES).default("full"),
    entry("ca_file", Kind::FileOnly, "File of its authority").under(CERTIFICATES).default("the system's authorities"),
    entry("client_certificate", Kind::FileOnly, "File of our certificate").under(CERTIFICATES),
    entry("client_key", Kind::FileOnly, "File of its key").under(CERTIFICATES),
    entry("source_address", Kind::Text, "From this address of the machine").under(REACHED).default("whichever the system takes"),
    entry("hello", Kind::Text, "Name in EHLO").under(REACHED).default("the machine's name"),
    entry("without", Kind::List, "Extensions not used").under(REACHED).hint("pipelining, 8bitmime, smtputf8, size, dsn"),
    entry("timeouts.connect", Kind::Text, "Connecting").under(PATIENCE).default("30s"),
    entry("timeouts.greeting", Kind::Text, "The greeting").under(PATIENCE).default("5m"),
    entry("timeouts.command", Kind::Text, "A command").under(PATIENCE).default("5m"),
    entry("timeouts.data", Kind::Text, "DATA").under(PATIENCE).default("2m"),
    entry("timeouts.block", Kind::Text, "A piece of a message").under(PATIENCE).default("3m"),
    entry("timeouts.final_dot", Kind::Text, "The end of a message").under(PATIENCE).default("10m"),
];

const LIMIT: &[Entry] = &[
    entry("rate", Kind::List, "Rate")
        .hint("50/s, or several with commas: 50/s, 9000/h")
        .default("no limit"),
    entry("max_sessions", Kind::Number, "Sessions at once").default("no limit"),
];

const PAUSING: &str = "Campaigns pause by themselves";
const SUPPRESSING: &str = "Addresses that fail again and again";
const KEEPING: &str = "What comes back";

const FEEDBACK: &[Entry] = &[
    entry("pause_at_hard_bounces", Kind::Text, "At more hard bounces than")
        .under(PAUSING)
        .default("5%")
        .hint("Of the deliveries with an outcome; 5%, or never"),
    entry("pause_at_complaints", Kind::Text, "At more complaints than")
        .under(PAUSING)
        .default("0.3%")
        .hint("Of the accepted deliveries; 0.3%, or never"),
    entry("pause_after", Kind::Number, "Not before so many outcomes")
        .under(PAUSING)
        .default("200"),
    entry("soft_bounces_in_row", Kind::Number, "Soft bounces in a row")
        .under(SUPPRESSING)
        .default("5")
        .holds(Holds::AtOnceForReplies)
        .hint("After so many an address is suppressed; 0 switches this off"),
    entry("soft_bounces_over", Kind::Text, "Over at least")
        .under(SUPPRESSING)
        .default("14days")
        .holds(Holds::AtOnceForReplies),
    entry("match_window", Kind::Text, "A report is matched for")
        .under(KEEPING)
        .default("7days")
        .holds(Holds::AfterRestart)
        .hint("So long after it was sent, a delivery is looked for by its recipient"),
    entry("stale_after", Kind::Text, "A report is too old after")
        .under(KEEPING)
        .default("30days")
        .holds(Holds::AfterRestart),
    entry("keep_arrivals", Kind::Text, "Reports are kept for")
        .under(KEEPING)
        .default("90days")
        .holds(Holds::AfterRestart),
    entry("rules", Kind::FileOnly, "File of rules")
        .under(KEEPING)
        .holds(Holds::AtOnceForReplies),
];

const TRACKING: &[Entry] = &[
    entry("mode", Kind::OneOf(&["full", "anonymous", "off"]), "Tracking").default("anonymous").holds(Holds::AfterRestart)
        .hint("Where neither the campaign nor one of its lists says it. Full knows who followed which link, and needs their consent."),
    entry("keep_hits", Kind::Text, "Who did what is known for").default("400days").holds(Holds::AfterRestart)
        .hint("From one day to ten years; the counters stay"),
    entry("max_hits_per_minute", Kind::Number, "Hits of a network in a minute").default("6000").holds(Holds::AfterRestart)
        .hint("So many are recorded; 0: all"),
    entry("rules", Kind::FileOnly, "File of rules").holds(Holds::AfterRestart),
];

const MAIL: &[Entry] = &[
    entry("return_path_domain", Kind::Text, "Domain of return paths")
        .default("the sender's domain")
        .holds(Holds::AfterRestart)
        .hint("Where bounces arrive: bounce.example.com"),
    entry("sender_id", Kind::Text, "Sender in Feedback-ID")
        .default("the sender's domain")
        .holds(Holds::AfterRestart),
    entry(
        "attachments_folder",
        Kind::FileOnly,
        "Folder of recipients' own files",
    )
    .holds(Holds::AfterRestart),
];

/// What can be set in a part, in the order in which it is shown.
pub fn entries(part: &Part) -> &'static [Entry] {
    match part {
        Part::Relay(_) => RELAY,
        Part::AllRelays | Part::Sender(_) | Part::Provider(_) | Part::Campaigns => LIMIT,
        Part::Feedback => FEEDBACK,
        Part::Tracking => TRACKING,
        Part::Mail => MAIL,
    }
}
