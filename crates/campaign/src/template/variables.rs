//! Which variables a newsletter uses and where, and which of them a recipient lacks: what `tidings template check` counts.

use super::ready::Ready;
use super::{Compiled, Content, Part, Templates, helpers};
use crate::merge::MergeData;
use crate::recipient::Recipient;
use handlebars::template::{
    BlockParam, HelperTemplate, Parameter, Subexpression, Template, TemplateElement, TemplateMapping,
};
use handlebars::{Path, PathSeg};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Places that are kept of one variable. More help nobody.
const PLACES: usize = 20;

/// A variable that comes from the recipient: its name or an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// From the recipient's data: `["city"]`, `["address", "town"]`.
    path: Vec<String>,
    /// Where it stands, such as `template spring (html):2:6`; the first places of many.
    pub places: Vec<String>,
    /// Whether a recipient who lacks it gets a message all the same, because each place is a condition, stands in one or has a default.
    pub optional: bool,
}

/// What a recipient has of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A value.
    There,
    /// Nothing, or blanks.
    Empty,
    /// The recipient has no such attribute.
    Absent,
}

impl Variable {
    /// As it is written: `city`, `address.town`.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// The attribute that holds it, if it is a whole attribute and not a part of one.
    pub fn attribute(&self) -> Option<&str> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match *path.as_slice() {
            ["name" | "attributes"] => None,
            ["attributes", attribute] | [attribute] => Some(attribute),
            _ => None,
        }
    }

    /// What the recipient has of it.
    pub fn of(&self, recipient: &Recipient) -> Presence {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let in_attributes = |path: &[&str]| {
            let (first, rest) = path.split_first()?;
            rest.iter()
                .try_fold(recipient.attributes.get(*first)?, |value, name| match value {
                    Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                    value => value.get(name),
                })
        };
        let value = match path.as_slice() {
            ["name"] if recipient.name.trim().is_empty() => return Presence::Empty,
            ["name"] => return Presence::There,
            ["attributes", rest @ ..] => in_attributes(rest),
            path => in_attributes(path),
        };
        match value {
            None => Presence::Absent,
            Some(Value::Null) => Presence::Empty,
            Some(Value::String(text)) if text.trim().is_empty() => Presence::Empty,
            Some(_) => Presence::There,
        }
    }
}

impl Templates {
    /// The variables that come from the recipient, by name. `content` is what this was compiled from.
    pub fn variables(&self, content: &Content) -> Vec<Variable> {
        let mut found = BTreeMap::new();
        for part in [&self.subject, &self.html, &self.text] {
            let mut walk = Walk {
                part,
                ready: &self.ready,
                content,
                template: &part.name,
                seen: HashSet::new(),
                found: &mut found,
            };
            walk.named(&part.name, &Scope::root());
        }
        found.into_values().collect()
    }
}

/// What names mean at some place of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Scope {
    /// How many blocks that go into a list or an object we are in; 0 is where names are the recipient's.
    depth: usize,
    /// Names that a block or the caller of a partial has given.
    given: Vec<String>,
    /// What the conditions around us have made sure of: paths from the recipient's data.
    there: BTreeSet<Vec<String>>,
}

impl Scope {
    fn root() -> Scope {
        Scope {
            depth: 0,
            given: Vec::new(),
            there: BTreeSet::new(),
        }
    }

    fn with<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Scope {
        let mut scope = self.clone();
        scope.given.extend(names.into_iter().map(str::to_owned));
        scope.given.sort();
        scope.given.dedup();
        scope
    }

    /// Where this condition holds.
    fn if_true(&self, condition: &Parameter) -> Scope {
        let mut scope = self.clone();
        match condition {
            Parameter::Path(Path::Relative((segments, raw))) => {
                scope.there.extend(from_recipient(segments, raw, self));
            }
            Parameter::Subexpression(Subexpression { element, .. }) => {
                if let TemplateElement::Expression(call) = &**element
                    && call.name.as_name() == Some("and")
                {
                    for condition in &call.params {
                        scope.there.extend(self.if_true(condition).there);
                    }
                }
            }
            _ => {}
        }
        scope
    }

    fn deeper(&self) -> Scope {
        Scope {
            depth: self.depth + 1,
            ..self.clone()
        }
    }
}

struct Walk<'a, 'f> {
    part: &'a Compiled,
    ready: &'a Ready,
    content: &'a Content,
    /// The template that is being looked at.
    template: &'a str,
    /// Templates that have been looked at, with what names meant in them.
    seen: HashSet<(&'a str, Scope)>,
    found: &'f mut BTreeMap<Vec<String>, Variable>,
}

impl<'a> Walk<'a, '_> {
    fn named(&mut self, name: &'a str, scope: &Scope) {
        let Some(template) = self.part.registry.get_template(name) else {
            return;
        };
        if self.seen.insert((name, scope.clone())) {
            let caller = std::mem::replace(&mut self.template, name);
            self.template(template, scope);
            self.template = caller;
        }
    }

    fn template(&mut self, template: &'a Template, scope: &Scope) {
        for (element, place) in template.elements.iter().zip(&template.mapping) {
            match element {
                TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                    self.expression(call, scope, place, false);
                }
                TemplateElement::HelperBlock(call) => self.block(call, scope, place),
                TemplateElement::PartialExpression(call) | TemplateElement::PartialBlock(call) => {
                    for parameter in call.params.iter().chain(call.hash.values()) {
                        self.parameter(parameter, scope, place, false);
                    }
                    if let Some(content) = &call.template {
                        self.template(content, scope);
                    }
                    let Some(name) = call.name.as_name() else {
                        continue;
                    };
                    let inside = if call.params.is_empty() {
                        scope.clone()
                    } else {
                        scope.deeper()
                    };
                    self.named(name, &inside.with(call.hash.keys().map(String::as_str)));
                }
                _ => {}
            }
        }
    }

    fn block(&mut self, call: &'a HelperTemplate, scope: &Scope, place: &'a TemplateMapping) {
        let name = call.name.as_name().unwrap_or_default();
        // With nothing to go into, what stands after `{{else}}` is taken.
        let goes_in = matches!(name, "each" | "with");
        let covered = matches!(name, "if" | "unless") || (goes_in && call.inverse.is_some());
        self.expression(call, scope, place, covered);
        let inside = match &call.block_param {
            _ if name == "if" => call
                .params
                .first()
                .map_or_else(|| scope.clone(), |first| scope.if_true(first)),
            _ if !goes_in => scope.clone(),
            None => scope.deeper(),
            Some(given) => scope.deeper().with(given_names(given)),
        };
        if let Some(body) = &call.template {
            self.template(body, &inside);
        }
        if let Some(inverse) = &call.inverse {
            self.template(inverse, scope);
        }
    }

    fn expression(
        &mut self,
        call: &'a HelperTemplate,
        scope: &Scope,
        place: &TemplateMapping,
        covered: bool,
    ) {
        if call.params.is_empty() && call.hash.is_empty() && !call.block {
            return self.parameter(&call.name, scope, place, covered);
        }
        let name = call.name.as_name().unwrap_or_default();
        // Put in by us before each loop, which says itself whether it can do without.
        if name == helpers::LIST {
            return;
        }
        let forgiving = matches!(name, "and" | "or" | "not");
        let last = call.params.len().saturating_sub(1);
        for (at, parameter) in call.params.iter().enumerate() {
            let has_default = name == "default" && at < last;
            self.parameter(parameter, scope, place, covered || forgiving || has_default);
        }
        for parameter in call.hash.values() {
            self.parameter(parameter, scope, place, false);
        }
    }

    fn parameter(&mut self, parameter: &'a Parameter, scope: &Scope, place: &TemplateMapping, covered: bool) {
        match parameter {
            Parameter::Path(Path::Relative((segments, raw))) => {
                if let Some(path) = from_recipient(segments, raw, scope) {
                    let covered = covered || scope.there.contains(&path);
                    self.put(path, place, covered);
                }
            }
            Parameter::Subexpression(Subexpression { element, .. }) => {
                if let TemplateElement::Expression(call) = &**element {
                    // A helper needs its own arguments, whoever wants its result.
                    self.expression(call, scope, place, false);
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, path: Vec<String>, place: &TemplateMapping, covered: bool) {
        let is_made_text = self.is_made_text();
        let variable = self.found.entry(path.clone()).or_insert_with(|| Variable {
            path,
            places: Vec::new(),
            optional: true,
        });
        variable.optional &= covered;
        if is_made_text {
            return;
        }
        let place = self
            .ready
            .place(self.part.part.of(self.template), place.0, place.1);
        if variable.places.len() < PLACES && !variable.places.contains(&place) {
            variable.places.push(place);
        }
    }

    /// Places in a text that is made from the HTML are not the author's.
    fn is_made_text(&self) -> bool {
        let source = self.content.sources().find(|source| source.name == self.template);
        self.part.part == Part::Text && source.is_some_and(|source| source.text.is_none())
    }
}

fn given_names(given: &BlockParam) -> Vec<&str> {
    let names = match given {
        BlockParam::Single(name) => vec![name.as_name()],
        BlockParam::Pair((value, key)) => vec![value.as_name(), key.as_name()],
        _ => Vec::new(),
    };
    names.into_iter().flatten().collect()
}

/// The path from the recipient's data, if that is where a path leads, to something that the recipient may lack.
fn from_recipient(segments: &[PathSeg], raw: &str, scope: &Scope) -> Option<Vec<String>> {
    let names: Vec<String> = segments
        .iter()
        .filter_map(|segment| match segment {
            PathSeg::Named(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    let up = raw.matches("../").count();
    let at_root = raw.starts_with("@root") || up == scope.depth;
    let first = names.first()?;
    let given = up == 0 && scope.given.contains(first);
    let ours = matches!(
        names.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
        [
            "email" | "unsubscribe_url" | "view_url" | "preferences_url" | "campaign" | "list",
            ..
        ] | ["attributes"]
    );
    (at_root && !given && !ours).then_some(names)
}

impl MergeData<'_> {
    /// Data for trying a newsletter on a recipient before there is a campaign: stand-ins for all that would come from
    /// the campaign, and a link that leads nowhere.
    pub fn sample<'a>(recipient: &'a Recipient, campaign_name: &'a str, list_name: &'a str) -> MergeData<'a> {
        MergeData {
            recipient,
            unsubscribe_url: "https://news.example.com/u/sample",
            view_url: "https://news.example.com/v/sample",
            preferences_url: "https://news.example.com/p/sample",
            campaign_name,
            campaign_subject: None,
            list_name: Some(list_name),
            language: None,
        }
    }
}

#[cfg(test)]
mod tests;
