//! What an import changed of a recipient that was there already, and how that is taken back without touching what others
//! have changed since.

use super::Known;
use crate::recipient::Subscription;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an import changed of one recipient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The name before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<[String; 2]>,
    /// The changed attributes as they were; those that are new are not in it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    before: Map<String, Value>,
    /// The changed attributes as the import set them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    after: Map<String, Value>,
    /// The standing on the list before the import confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<Joined>,
}

/// The standing on a list before an import subscribed a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joined {
    /// Not on the list.
    FromNothing,
    /// Had been asked and had not answered.
    FromPending,
}

/// What a recipient becomes when a change is taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenBack {
    /// The name.
    pub name: String,
    /// The attributes, as the text of a JSON object.
    pub attributes: String,
    /// Whether and to what the standing on the list goes back.
    pub standing: Option<Joined>,
    /// What others have changed since and is therefore kept: `name`, names of attributes, `subscription`.
    pub kept: Vec<String>,
}

impl Change {
    /// What makes `after` of `before`.
    pub fn between(before: &Known, after: &Known) -> Change {
        let (old, new) = (read(&before.attributes), read(&after.attributes));
        let mut change = Change {
            name: (before.name != after.name).then(|| [before.name.clone(), after.name.clone()]),
            joined: match (before.subscription, after.subscription) {
                (None, Some(Subscription::Confirmed)) => Some(Joined::FromNothing),
                (Some(Subscription::Pending), Some(Subscription::Confirmed)) => Some(Joined::FromPending),
                _ => None,
            },
            ..Change::default()
        };
        for (key, value) in new {
            let was = old.get(&key);
            if was == Some(&value) {
                continue;
            }
            if let Some(was) = was {
                change.before.insert(key.clone(), was.clone());
            }
            change.after.insert(key, value);
        }
        change
    }

    /// What a recipient that is now as `now` becomes when this is taken back. `standing_is_ours`: whether its standing on
    /// the list is the one that the import gave it.
    pub fn take_back(&self, now: &Known, standing_is_ours: bool) -> TakenBack {
        let mut kept = Vec::new();
        let name = match &self.name {
            Some([before, after]) if *after == now.name => before.clone(),
            Some(_) => {
                kept.push("name".to_owned());
                now.name.clone()
            }
            None => now.name.clone(),
        };
        let mut attributes = read(&now.attributes);
        for (key, after) in &self.after {
            if attributes.get(key) != Some(after) {
                kept.push(key.clone());
                continue;
            }
            match self.before.get(key) {
                Some(before) => attributes.insert(key.clone(), before.clone()),
                None => attributes.remove(key),
            };
        }
        if self.joined.is_some() && !standing_is_ours {
            kept.push("subscription".to_owned());
        }
        TakenBack {
            name,
            attributes: Value::Object(attributes).to_string(),
            standing: self.joined.filter(|_| standing_is_ours),
            kept,
        }
    }

    /// The standing on the list before, if the import changed it.
    pub fn joined(&self) -> Option<Joined> {
        self.joined
    }

    /// This change, as if the import had brought the recipient onto the list too, because the one that did is taken back.
    #[must_use]
    pub fn inheriting(self, joined: Joined) -> Change {
        Change {
            joined: Some(joined),
            ..self
        }
    }

    /// This change, made by a later import, as if the `earlier` one, which is taken back, had never been: what it found then
    /// would have been what the earlier one found. `None` if that makes no difference.
    pub fn without(&self, earlier: &Change) -> Option<Change> {
        let mut change = self.clone();
        if let (Some([before, _]), Some([old, new])) = (&mut change.name, &earlier.name)
            && before == new
        {
            before.clone_from(old);
        }
        for (key, set) in &earlier.after {
            if !change.after.contains_key(key) || change.before.get(key) != Some(set) {
                continue;
            }
            match earlier.before.get(key) {
                Some(was) => change.before.insert(key.clone(), was.clone()),
                None => change.before.remove(key),
            };
        }
        (change != *self).then_some(change)
    }
}

fn read(attributes: &str) -> Map<String, Value> {
    serde_json::from_str(attributes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, attributes: &str, subscription: Option<Subscription>) -> Known {
        Known {
            name: name.to_owned(),
            attributes: attributes.to_owned(),
            subscription,
        }
    }

    fn kept_through_json(change: &Change) -> Change {
        serde_json::from_str(&serde_json::to_string(change).unwrap()).unwrap()
    }

    #[test]
    fn what_nobody_touched_since_is_as_before() {
        let before = known("Ann", r#"{"age":null,"city":"Bern"}"#, None);
        let after = known(
            "Anna",
            r#"{"age":41,"city":"Rome","vip":true}"#,
            Some(Subscription::Confirmed),
        );
        let change = kept_through_json(&Change::between(&before, &after));
        let back = change.take_back(&after, true);
        assert_eq!(
            (back.name.as_str(), back.attributes.as_str()),
            ("Ann", before.attributes.as_str())
        );
        assert_eq!((back.standing, back.kept.len()), (Some(Joined::FromNothing), 0));
    }

    #[test]
    fn what_others_changed_since_is_kept_and_named() {
        let before = known("Ann", r#"{"city":"Bern"}"#, Some(Subscription::Pending));
        let after = known(
            "Anna",
            r#"{"city":"Rome","vip":true}"#,
            Some(Subscription::Confirmed),
        );
        let now = known(
            "Anna",
            r#"{"city":"Oslo","new":1,"vip":true}"#,
            Some(Subscription::Unsubscribed),
        );
        let back = Change::between(&before, &after).take_back(&now, false);
        assert_eq!(back.name, "Ann");
        assert_eq!(back.attributes, r#"{"city":"Oslo","new":1}"#);
        assert_eq!(
            (back.standing, back.kept),
            (None, vec!["city".to_owned(), "subscription".to_owned()])
        );
    }

    #[test]
    fn two_imports_taken_back_in_any_order_leave_what_was_before_both() {
        let states = [
            known("Ann", r#"{"city":"Bern"}"#, Some(Subscription::Confirmed)),
            known(
                "Anna",
                r#"{"city":"Rome","vip":true}"#,
                Some(Subscription::Confirmed),
            ),
            known(
                "Annie",
                r#"{"city":"Oslo","vip":false}"#,
                Some(Subscription::Confirmed),
            ),
        ];
        let first = Change::between(&states[0], &states[1]);
        let second = Change::between(&states[1], &states[2]);
        let without_first = first.take_back(&states[2], true);
        assert_eq!(without_first.kept, ["name", "city", "vip"]);
        let second = second.without(&first).unwrap();
        let back = second.take_back(&states[2], true);
        assert_eq!(
            (back.name.as_str(), back.attributes.as_str()),
            ("Ann", states[0].attributes.as_str())
        );
        assert_eq!(second.without(&first), None);
    }
}
