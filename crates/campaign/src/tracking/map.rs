//! A campaign's newsletter with a number at each of its tracked links, for those who want to see what was followed. It is made
//! of the frozen content alone, for nobody in particular, and nothing in it leads anywhere or is counted.

use super::places::{self, LinkPlace};
use super::{LinkTable, TrackedLink, Tracker, Tracking, Utm};
use crate::address::EmailAddress;
use crate::html::read_tag;
use crate::ids::{CampaignId, RecipientId};
use crate::merge::MergeData;
use crate::recipient::Recipient;
use crate::template::{Content, RenderError, TemplateError, Templates};
use crate::token::{HitTarget, HitToken, KeyRing, SigningKey};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Where tracked links lead while the newsletter is made: no host of the world is called so (RFC 2606).
const NOWHERE: &str = "https://click-map.invalid";
/// Whom it is made for.
const SAMPLE: (&str, &str) = ("Sample Reader", "reader@example.com");
/// Every style of the newsletter is undone first. Colours of its own, because a newsletter has no themes.
const MARKER: &str = "all:initial;display:inline-block;min-width:16px;margin:0 4px;padding:0 4px;border-radius:10px;\
    border:1px solid #ffffff;background:#1d4ed8;color:#ffffff;font:bold 12px/18px sans-serif;text-align:center;\
    vertical-align:middle";

/// A started campaign's newsletter, with what says which links are tracked.
#[derive(Clone, Copy, Debug)]
pub struct MappedNewsletter<'a> {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its name.
    pub name: &'a str,
    /// Its first list.
    pub list_name: Option<&'a str>,
    /// What it sends to everybody whose language has no translation.
    pub content: &'a Content,
    /// How much is known of who follows the links; of merged ones nothing, unless it is everything.
    pub mode: Tracking,
    /// What was added to their addresses.
    pub utm: &'a Utm,
    /// The links as they were kept when it started.
    pub links: &'a [TrackedLink],
}

impl MappedNewsletter<'_> {
    /// The HTML with the markers. What recipients differ by is filled in with the names of the variables.
    ///
    /// # Errors
    /// If the newsletter takes nothing that can be made up, such as a number where we have only words.
    pub fn render(&self) -> Result<String, NoMap> {
        let tracker = Tracker {
            mode: self.mode,
            utm: self.utm.clone(),
            campaign: self.campaign,
            public_url: NOWHERE.to_owned(),
            // Its tokens are read a moment later and mean nothing elsewhere.
            keys: KeyRing::new(vec![SigningKey {
                id: 1,
                secret: [0; 32],
            }])
            .expect("there is a key"),
        };
        let mut table = LinkTable::kept(self.links.to_vec());
        let templates = Templates::tracked(self.content, &tracker, None, &mut table)?;
        let variables = templates.variables(self.content);
        let all = sample(variables.iter().map(|variable| variable.name()));
        let html = match self.merged(&templates, &all) {
            Ok(html) => html,
            // What may be left out may be something that no word can stand for.
            Err(_) => {
                let needed = variables.iter().filter(|variable| !variable.optional);
                self.merged(&templates, &sample(needed.map(|variable| variable.name())))?
            }
        };
        Ok(marked(&html, &tracker.keys))
    }

    fn merged(&self, templates: &Templates, recipient: &Recipient) -> Result<String, RenderError> {
        let data = MergeData {
            recipient,
            unsubscribe_url: NOWHERE,
            view_url: NOWHERE,
            preferences_url: NOWHERE,
            campaign_name: self.name,
            campaign_subject: None,
            list_name: self.list_name,
            language: None,
        };
        Ok(templates.render(&data)?.html)
    }
}

/// Why there is no newsletter to be seen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoMap {
    /// It does not compile.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// It cannot be merged with made up data.
    #[error("{0}")]
    Render(#[from] RenderError),
}

/// A recipient whose attributes are the names of these variables.
fn sample(names: impl Iterator<Item = String>) -> Recipient {
    let mut attributes = Map::new();
    for name in names {
        let path: Vec<&str> = name.split('.').filter(|part| *part != "attributes").collect();
        put(&mut attributes, &path);
    }
    let (name, address) = SAMPLE;
    Recipient {
        id: RecipientId(0),
        address: EmailAddress::parse(address).expect("a plain address"),
        name: name.to_owned(),
        attributes,
    }
}

fn put(object: &mut Map<String, Value>, path: &[&str]) {
    match path {
        [] => {}
        [name] => {
            object
                .entry(*name)
                .or_insert_with(|| Value::String((*name).to_owned()));
        }
        [name, rest @ ..] => {
            let inner = object.entry(*name).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                put(inner, rest);
            }
        }
    }
}

/// Puts a marker into each numbered link, leads all links nowhere, and takes the pixel out.
fn marked(html: &str, keys: &KeyRing) -> String {
    // By where it stands: how much it replaces, and what comes there.
    let mut edits: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    for link in places::find(html).links {
        let value = &html[link.value.clone()];
        let to = if link.is_quoted { "#" } else { "\"#\"" };
        edits.insert(link.value.start, (value.len(), to.to_owned()));
        if let (Some(number), Some(end)) = (number_of(value, keys), end_of_anchor(html, &link)) {
            edits.insert(end, (0, format!("<span style=\"{MARKER}\">{number}</span>")));
        }
    }
    let pixel = format!("<img src=\"{NOWHERE}/o/");
    for (at, _) in html.match_indices(&pixel) {
        let length = html[at..].find('>').map_or(html.len() - at, |end| end + 1);
        edits.insert(at, (length, String::new()));
    }
    let mut out = String::with_capacity(html.len() + edits.len() * 300);
    let mut from = 0;
    for (at, (length, text)) in edits {
        out.push_str(&html[from..at]);
        out.push_str(&text);
        from = at + length;
    }
    out.push_str(&html[from..]);
    out
}

/// The number of the link that an address stands for; none of what is not tracked.
fn number_of(address: &str, keys: &KeyRing) -> Option<u32> {
    let token = address.strip_prefix(NOWHERE)?.strip_prefix("/c/")?;
    let token = match token.split_once("?to=") {
        None => HitToken::verify(token, keys),
        Some((token, to)) => {
            let to = percent_decode_str(to).decode_utf8().ok()?;
            HitToken::verify_leading_to(token, &to, keys)
        }
    };
    match token.ok()?.target {
        HitTarget::Link(number) => Some(number),
        HitTarget::Pixel | HitTarget::Trap => None,
    }
}

/// Where the content of an `<a>` begins; areas and the links of Outlook's drawings have none.
fn end_of_anchor(html: &str, link: &LinkPlace) -> Option<usize> {
    let begins = html[..link.value.start].rfind('<')?;
    let tag = read_tag(html, begins)?;
    (tag.name == "a" && tag.end >= link.value.end).then_some(tag.end)
}

#[cfg(test)]
mod tests;
