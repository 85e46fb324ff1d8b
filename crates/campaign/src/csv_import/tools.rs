//! Exports of other tools, recognised by their headers: a table, so that another tool is another entry.
//!
//! All headers and words are written in lower case here and compared without regard to case.

use Says::{AnythingIs, OneOf};
use SuppressionReason::{Address, Blocklisted, Disabled, Unsubscribe};

/// Why an address that comes with a file must not be mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuppressionReason {
    /// The person has left.
    Unsubscribe,
    /// Mail to it came back for good.
    Address,
    /// Somebody has put it on the tool's list of those who get nothing.
    Blocklisted,
    /// The tool sends it nothing, and does not say why.
    Disabled,
}

impl SuppressionReason {
    /// As the suppression keeps it.
    pub const fn word(self) -> &'static str {
        match self {
            Unsubscribe => "unsubscribe",
            Address => "address",
            Blocklisted => "blocklisted",
            Disabled => "disabled",
        }
    }
}

/// What a column with a status says about a row.
#[derive(Debug)]
pub(super) enum Says {
    /// Whoever has anything in it must not be mailed.
    AnythingIs(SuppressionReason),
    /// These words, and no others: `None` may be mailed.
    OneOf(&'static [(&'static str, Option<SuppressionReason>)]),
}

/// A column with a status.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) header: &'static str,
    pub(super) says: Says,
}

/// What is known about a tool's export.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// Headers that the export has, and others hardly have.
    marks: &'static [&'static str],
    /// So many of them are needed.
    marks_needed: usize,
    /// The column of the addresses: the first of these that is there.
    pub(super) email: &'static [&'static str],
    /// The columns whose fields, joined, are the name: the first of these sets of which one is there.
    pub(super) names: &'static [&'static [&'static str]],
    /// Columns of the tool's own household.
    pub(super) ignored: &'static [&'static str],
    /// A column with a JSON object of attributes.
    pub(super) json: Option<&'static str>,
    /// What stands between several addresses in one field; the first counts.
    pub(super) between_addresses: Option<&'static str>,
    pub(super) statuses: &'static [Status],
}

const TOOLS: [Tool; 4] = [
    Tool {
        name: "Mailchimp",
        marks: &[
            "member_rating",
            "optin_time",
            "optin_ip",
            "confirm_time",
            "confirm_ip",
            "leid",
            "euid",
            "unsub_time",
            "clean_time",
        ],
        marks_needed: 3,
        email: &["email address", "email", "e-mail address"],
        names: &[
            &["first name", "last name"],
            &["fname", "lname"],
            &["full name"],
            &["name"],
        ],
        ignored: &[
            "member_rating",
            "optin_ip",
            "confirm_time",
            "confirm_ip",
            "latitude",
            "longitude",
            "gmtoff",
            "dstoff",
            "timezone",
            "last_changed",
            "leid",
            "euid",
            "unsub_reason_other",
            "clean_campaign_title",
            "clean_campaign_id",
        ],
        json: None,
        between_addresses: None,
        statuses: &[
            Status {
                header: "clean_time",
                says: AnythingIs(Address),
            },
            Status {
                header: "unsub_time",
                says: AnythingIs(Unsubscribe),
            },
            Status {
                header: "unsub_campaign_title",
                says: AnythingIs(Unsubscribe),
            },
            Status {
                header: "unsub_campaign_id",
                says: AnythingIs(Unsubscribe),
            },
            Status {
                header: "unsub_reason",
                says: AnythingIs(Unsubscribe),
            },
        ],
    },
    Tool {
        name: "listmonk",
        marks: &["uuid", "attributes", "status", "created_at", "updated_at"],
        marks_needed: 4,
        email: &["email"],
        names: &[&["name"]],
        ignored: &["uuid", "created_at", "updated_at"],
        json: Some("attributes"),
        between_addresses: None,
        statuses: &[Status {
            header: "status",
            says: OneOf(&[
                ("enabled", None),
                ("disabled", Some(Disabled)),
                ("blocklisted", Some(Blocklisted)),
                ("blacklisted", Some(Blocklisted)),
            ]),
        }],
    },
    Tool {
        name: "Brevo",
        marks: &[
            "contact id",
            "contact_id",
            "firstname",
            "lastname",
            "prenom",
            "nom",
            "sms",
            "whatsapp",
            "landline_number",
            "added_time",
            "modified_time",
            "double_opt-in",
            "opt_in",
            "email_blacklisted",
            "email_blacklist",
            "email_marketing",
            "sms_marketing",
            "blocklisted",
        ],
        marks_needed: 3,
        email: &["email"],
        names: &[&["firstname", "lastname"], &["prenom", "nom"], &["name"]],
        ignored: &[
            "contact id",
            "contact_id",
            "added_time",
            "modified_time",
            "double_opt-in",
            "opt_in",
            "sms_blacklisted",
            "sms_marketing",
            "_listids",
        ],
        json: None,
        between_addresses: None,
        statuses: &[
            Status {
                header: "email_blacklisted",
                says: OneOf(&YES_IS_BLOCKLISTED),
            },
            Status {
                header: "email_blacklist",
                says: OneOf(&YES_IS_BLOCKLISTED),
            },
            Status {
                header: "emailblacklisted",
                says: OneOf(&YES_IS_BLOCKLISTED),
            },
            Status {
                header: "blocklisted",
                says: OneOf(&YES_IS_BLOCKLISTED),
            },
            Status {
                header: "blacklisted",
                says: OneOf(&YES_IS_BLOCKLISTED),
            },
            Status {
                header: "email_marketing",
                says: OneOf(&[
                    ("", None),
                    ("subscribed", None),
                    ("yes", None),
                    ("true", None),
                    ("1", None),
                    ("unsubscribed", Some(Unsubscribe)),
                    ("no", Some(Unsubscribe)),
                    ("false", Some(Unsubscribe)),
                    ("0", Some(Unsubscribe)),
                    ("blocklisted", Some(Blocklisted)),
                    ("blacklisted", Some(Blocklisted)),
                ]),
            },
        ],
    },
    Tool {
        name: "Google Contacts",
        marks: &["e-mail 1 - value"],
        marks_needed: 1,
        email: &["e-mail 1 - value"],
        names: &[
            &["name"],
            &["first name", "middle name", "last name"],
            &["given name", "additional name", "family name"],
        ],
        ignored: &[
            "phonetic first name",
            "phonetic middle name",
            "phonetic last name",
            "yomi name",
            "given name yomi",
            "additional name yomi",
            "family name yomi",
            "file as",
            "photo",
            "e-mail 1 - type",
            "e-mail 1 - label",
        ],
        json: None,
        between_addresses: Some(" ::: "),
        statuses: &[],
    },
];

const YES_IS_BLOCKLISTED: [(&str, Option<SuppressionReason>); 9] = [
    ("", None),
    ("no", None),
    ("false", None),
    ("0", None),
    ("yes", Some(Blocklisted)),
    ("true", Some(Blocklisted)),
    ("1", Some(Blocklisted)),
    ("blocklisted", Some(Blocklisted)),
    ("blacklisted", Some(Blocklisted)),
];

/// The tool whose export has these columns.
pub(super) fn recognise(columns: &[String]) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| {
        let marks = tool.marks.iter().filter(|mark| find(columns, mark).is_some());
        marks.count() >= tool.marks_needed && tool.email_column(columns).is_some()
    })
}

impl Tool {
    /// The column with the addresses.
    pub(super) fn email_column(&self, columns: &[String]) -> Option<usize> {
        self.email.iter().find_map(|header| find(columns, header))
    }

    /// The columns that make the name, in order.
    pub(super) fn name_columns(&self, columns: &[String]) -> Vec<usize> {
        self.names
            .iter()
            .map(|set| {
                set.iter()
                    .filter_map(|header| find(columns, header))
                    .collect::<Vec<_>>()
            })
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }
}

/// The first column with this header.
pub(super) fn find(columns: &[String], header: &str) -> Option<usize> {
    columns.iter().position(|column| column.to_lowercase() == header)
}

impl Says {
    /// Why the row must not be mailed; none if it may. An unknown word is an error that lists the known ones.
    pub(super) fn judge(&self, field: &str) -> Result<Option<SuppressionReason>, String> {
        let field = field.trim();
        match self {
            AnythingIs(_) if field.is_empty() => Ok(None),
            AnythingIs(reason) => Ok(Some(*reason)),
            OneOf(words) => {
                let lower = field.to_lowercase();
                let found = words.iter().find(|(word, _)| *word == lower);
                found.map(|(_, reason)| *reason).ok_or_else(|| {
                    let known: Vec<_> = words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect();
                    format!("`{field}` is not a status that is known, so nobody knows whether the address may be mailed (known: {})", known.join(", "))
                })
            }
        }
    }
}
