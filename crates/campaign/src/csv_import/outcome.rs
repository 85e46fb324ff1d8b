//! What becomes of a row: created, updated, unchanged, a duplicate, or left out because it is suppressed.

use super::Row;
use crate::recipient::Subscription;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::ops::AddAssign;

/// How many rows there were, and what became of them. Every row is in exactly one of the other numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All rows, the header and blank lines left out.
    pub rows: u64,
    /// New recipients.
    pub created: u64,
    /// Known recipients whose name, attributes or subscription changed.
    pub updated: u64,
    /// Known recipients that were already so.
    pub unchanged: u64,
    /// Rows whose address stood in an earlier row of the same import. The first one counts.
    pub duplicates: u64,
    /// Rows whose address must not be mailed: nothing was created or changed for them.
    pub suppressed: u64,
    /// Rows that are no recipients.
    pub rejected: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.rows += more.rows;
        self.created += more.created;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.duplicates += more.duplicates;
        self.suppressed += more.suppressed;
        self.rejected += more.rejected;
    }
}

impl Counts {
    /// Counts one row with this outcome.
    pub fn count(&mut self, outcome: &Outcome) {
        self.rows += 1;
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Updated(_) => self.updated += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Suppressed => self.suppressed += 1,
        }
    }

    /// Counts one row that is no recipient.
    pub fn count_reject(&mut self) {
        self.rows += 1;
        self.rejected += 1;
    }
}

/// What is known about a row's address before the row is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The recipient's name.
    pub name: String,
    /// Its attributes, as the text of a JSON object.
    pub attributes: String,
    /// Its standing on the list of the import.
    pub subscription: Option<Subscription>,
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A new recipient.
    Created,
    /// A known recipient changes: this is what it becomes.
    Updated(Known),
    /// A known recipient stays as it is.
    Unchanged,
    /// An earlier row of the import had the address.
    Duplicate,
    /// The address is suppressed.
    Suppressed,
}

/// Decides about one row. Columns of the file overwrite what is known; everything else stays. A subscription that was
/// left stays left: an import never brings anybody back.
pub fn decide(row: &Row, known: Option<&Known>, suppressed: bool, seen_before: bool) -> Outcome {
    if suppressed {
        return Outcome::Suppressed;
    }
    if seen_before {
        return Outcome::Duplicate;
    }
    let Some(known) = known else {
        return Outcome::Created;
    };
    let name = row.name.as_ref().unwrap_or(&known.name);
    let attributes = merged(&known.attributes, &row.attributes);
    let subscription = match known.subscription {
        Some(Subscription::Unsubscribed) => Subscription::Unsubscribed,
        _ => Subscription::Confirmed,
    };
    if *name == known.name && attributes.is_none() && Some(subscription) == known.subscription {
        return Outcome::Unchanged;
    }
    Outcome::Updated(Known {
        name: name.clone(),
        attributes: attributes.unwrap_or_else(|| known.attributes.clone()),
        subscription: Some(subscription),
    })
}

/// The attributes after the file's have been laid over the known ones; none if nothing changes by that.
fn merged(known: &str, new: &str) -> Option<String> {
    if known == new || new == "{}" {
        return None;
    }
    let read = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let before = read(known);
    let mut after = before.clone();
    after.extend(read(new));
    (after != before).then(|| Value::Object(after).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EmailAddress;

    fn row(name: Option<&str>, attributes: &str) -> Row {
        Row {
            line: 2,
            address: EmailAddress::parse("ann@example.org").unwrap(),
            name: name.map(str::to_owned),
            attributes: attributes.to_owned(),
        }
    }

    fn known(attributes: &str, subscription: Option<Subscription>) -> Known {
        Known {
            name: "Ann".to_owned(),
            attributes: attributes.to_owned(),
            subscription,
        }
    }

    #[test]
    fn an_import_never_brings_back_who_left() {
        let left = known("{}", Some(Subscription::Unsubscribed));
        assert_eq!(
            decide(&row(None, "{}"), Some(&left), false, false),
            Outcome::Unchanged
        );
        match decide(&row(Some("Anna"), "{}"), Some(&left), false, false) {
            Outcome::Updated(after) => assert_eq!(after.subscription, Some(Subscription::Unsubscribed)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_suppressed_address_is_left_alone_even_if_it_comes_twice() {
        assert_eq!(decide(&row(None, "{}"), None, true, false), Outcome::Suppressed);
        assert_eq!(decide(&row(None, "{}"), None, true, true), Outcome::Suppressed);
    }

    #[test]
    fn columns_of_the_file_overwrite_and_others_stay() {
        let on_list = known(r#"{"city":"Bern","vip":true}"#, Some(Subscription::Confirmed));
        assert_eq!(
            decide(
                &row(Some("Ann"), r#"{"city":"Bern"}"#),
                Some(&on_list),
                false,
                false
            ),
            Outcome::Unchanged
        );
        match decide(&row(None, r#"{"city":"Rome"}"#), Some(&on_list), false, false) {
            Outcome::Updated(after) => assert_eq!(after.attributes, r#"{"city":"Rome","vip":true}"#),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_or_unconfirmed_place_on_the_list_is_a_change() {
        for subscription in [None, Some(Subscription::Pending)] {
            let outcome = decide(&row(None, "{}"), Some(&known("{}", subscription)), false, false);
            assert!(matches!(outcome, Outcome::Updated(_)), "{outcome:?}");
        }
        assert_eq!(decide(&row(None, "{}"), None, false, false), Outcome::Created);
        assert_eq!(decide(&row(None, "{}"), None, false, true), Outcome::Duplicate);
    }
}
