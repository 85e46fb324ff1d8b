//! What a template may say about a recipient: the data that is merged into it.

use crate::recipient::Recipient;
use serde_json::{Map, Value, json};

/// The data of one message: `email`, `name`, every attribute under its own name and again under `attributes`,
/// `unsubscribe_url`, `view_url`, `preferences_url`, `campaign.name`, `campaign.subject` and `list.name`. An attribute with one
/// of these names is found under `attributes` only.
#[derive(Clone, Copy, Debug)]
pub struct MergeData<'a> {
    /// Who the message goes to.
    pub recipient: &'a Recipient,
    /// The recipient's own link, or a sample.
    pub unsubscribe_url: &'a str,
    /// Where the recipient sees the newsletter in a browser, or a sample.
    pub view_url: &'a str,
    /// Where the recipient sees and changes what is stored of them, or a sample.
    pub preferences_url: &'a str,
    /// The campaign's name.
    pub campaign_name: &'a str,
    /// The merged subject; `None` while the subject itself is merged.
    pub campaign_subject: Option<&'a str>,
    /// The list's name, where the campaign has a list.
    pub list_name: Option<&'a str>,
    /// What is written of the recipient's language where it chose a translation: helpers speak it too.
    pub language: Option<&'a str>,
}

impl MergeData<'_> {
    /// As Handlebars takes it.
    pub fn to_json(&self) -> Value {
        let mut data = self.recipient.attributes.clone();
        let mut campaign = Map::new();
        campaign.insert("name".to_owned(), json!(self.campaign_name));
        if let Some(subject) = self.campaign_subject {
            campaign.insert("subject".to_owned(), json!(subject));
        }
        if let Some(language) = self.language {
            campaign.insert("language".to_owned(), json!(language));
        }
        let list: Map<String, Value> = self
            .list_name
            .map(|name| ("name".to_owned(), json!(name)))
            .into_iter()
            .collect();
        data.insert(
            "attributes".to_owned(),
            Value::Object(self.recipient.attributes.clone()),
        );
        data.insert("email".to_owned(), json!(self.recipient.address.as_str()));
        data.insert("name".to_owned(), json!(self.recipient.name));
        data.insert("unsubscribe_url".to_owned(), json!(self.unsubscribe_url));
        data.insert("view_url".to_owned(), json!(self.view_url));
        data.insert("preferences_url".to_owned(), json!(self.preferences_url));
        data.insert("campaign".to_owned(), Value::Object(campaign));
        data.insert("list".to_owned(), Value::Object(list));
        Value::Object(data)
    }

    /// The value at a place, without making JSON of everything else.
    pub(crate) fn find(&self, place: &Place) -> Found<'_> {
        let text = |text| Found::Text(text);
        match place {
            Place::Email => text(self.recipient.address.as_str()),
            Place::Name => text(&self.recipient.name),
            Place::UnsubscribeUrl => text(self.unsubscribe_url),
            Place::ViewUrl => text(self.view_url),
            Place::PreferencesUrl => text(self.preferences_url),
            Place::CampaignName => text(self.campaign_name),
            Place::CampaignSubject => self.campaign_subject.map_or(Found::Missing, text),
            Place::ListName => self.list_name.map_or(Found::Missing, text),
            Place::Attribute(name) => match self.recipient.attributes.get(name) {
                None => Found::Missing,
                Some(Value::String(value)) => text(value),
                Some(value) => Found::Json(value),
            },
        }
    }
}

/// A place in [`MergeData`] that holds one plain value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Email,
    Name,
    UnsubscribeUrl,
    ViewUrl,
    PreferencesUrl,
    CampaignName,
    CampaignSubject,
    ListName,
    Attribute(String),
}

impl Place {
    /// The place that a path such as `campaign.name` leads to; `None` if it leads deeper or to more than one value.
    pub(crate) fn of(path: &[&str]) -> Option<Place> {
        Some(match path {
            ["email"] => Place::Email,
            ["name"] => Place::Name,
            ["unsubscribe_url"] => Place::UnsubscribeUrl,
            ["view_url"] => Place::ViewUrl,
            ["preferences_url"] => Place::PreferencesUrl,
            ["campaign", "name"] => Place::CampaignName,
            ["campaign", "subject"] => Place::CampaignSubject,
            ["list", "name"] => Place::ListName,
            ["campaign" | "list" | "attributes"] => return None,
            ["attributes", name] | [name] => Place::Attribute((*name).to_owned()),
            _ => return None,
        })
    }
}

/// What stands at a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found<'a> {
    Missing,
    Text(&'a str),
    /// Anything that is not a string.
    Json(&'a Value),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EmailAddress;
    use crate::ids::RecipientId;

    #[test]
    fn built_in_names_win_and_the_attribute_is_still_there() {
        let Value::Object(attributes) = json!({"name": "attribute", "city": "Ulm", "list": 3}) else {
            unreachable!()
        };
        let recipient = Recipient {
            id: RecipientId(1),
            address: EmailAddress::parse("ann@example.org").unwrap(),
            name: "Ann".to_owned(),
            attributes,
        };
        let data = MergeData {
            recipient: &recipient,
            unsubscribe_url: "https://news.example.com/u/1",
            view_url: "https://news.example.com/v/1",
            preferences_url: "https://news.example.com/p/1",
            campaign_name: "Spring",
            campaign_subject: Some("Hello"),
            list_name: Some("News"),
            language: None,
        };
        let json = data.to_json();
        for (path, value) in [
            ("/email", "ann@example.org"),
            ("/name", "Ann"),
            ("/attributes/name", "attribute"),
            ("/city", "Ulm"),
            ("/attributes/city", "Ulm"),
            ("/unsubscribe_url", "https://news.example.com/u/1"),
            ("/view_url", "https://news.example.com/v/1"),
            ("/preferences_url", "https://news.example.com/p/1"),
            ("/campaign/name", "Spring"),
            ("/campaign/subject", "Hello"),
            ("/list/name", "News"),
        ] {
            assert_eq!(json.pointer(path), Some(&json!(value)), "{path}");
            let path: Vec<&str> = path[1..].split('/').collect();
            assert_eq!(data.find(&Place::of(&path).unwrap()), Found::Text(value));
        }
    }
}
