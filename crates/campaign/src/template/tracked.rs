//! Leads the links of a newsletter to us, once per campaign, and adds the pixel and the trap.
//!
//! What is the same for all recipients is written into the HTML. What each message has for itself, a token, gets a mark
//! there; a mark is a word that stands nowhere else. When the HTML has been parsed, marks become calls, which no template
//! can write.

use super::TemplateError;
use super::braces::Braces;
use super::flat::{At, Flat, Named};
use super::mustache::{self, Kind};
use super::ready::Ready;
use crate::ids::{CampaignId, RecipientId};
use crate::message::canonical::entity;
use crate::token::{HitTarget, HitToken, KeyRing};
use crate::tracking::places::{self, LinkPlace, Places};
use crate::tracking::target::{address, is_trackable, leads_to_the_web};
use crate::tracking::{Tracker, Tracking, Utm, VariantLinks};
use handlebars::template::{
    HelperTemplate, Parameter, Subexpression, Template, TemplateElement, TemplateMapping,
};
use handlebars::{Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, Renderable};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// The name of the call that a mark becomes.
pub(super) const HIT: &str = "{{hit}}";

/// What may stand unencoded in the query of our links: nothing that any reader of HTML or addresses could take for more.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The token for something whose address is fixed.
    Token(HitTarget),
    /// From here to the end an address is merged; the number of its link, if it is tracked.
    Address(Option<u32>),
    /// The end of such an address.
    End,
}

/// The marks in the HTML of a newsletter, and what is needed to make of them what stands there in a message.
#[derive(Debug)]
pub(super) struct Marks {
    braces: Braces,
    marks: Vec<Mark>,
    campaign: CampaignId,
    keys: KeyRing,
    utm: Utm,
    /// The URL of a tracked link up to its token.
    click_base: String,
}

impl Ready {
    /// Leads the links to us, as far as the campaign wants it. `None` if no message has anything of its own.
    pub(super) fn track(
        &mut self,
        tracker: &Tracker,
        links: &mut VariantLinks<'_>,
    ) -> Result<Option<Arc<Marks>>, TemplateError> {
        if tracker.mode == Tracking::Off && tracker.utm.is_empty() {
            return Ok(None);
        }
        let sources: Vec<Named> = self
            .templates()
            .map(|(name, html)| Named {
                name: name.to_owned(),
                html: html.to_owned(),
            })
            .collect();
        let flat = Flat::of(&sources, &|_| true)?;
        let mut rewriting = Rewriting {
            tracker,
            links,
            sources: &sources,
            flat: &flat,
            marks: Marks::new(tracker, &sources),
            edits: BTreeMap::new(),
            seen: HashSet::new(),
        };
        let places = places::find(&flat.text);
        for link in &places.links {
            rewriting.link(link);
        }
        rewriting.pixel_and_trap(&places);
        let Rewriting { edits, marks, .. } = rewriting;
        for (source, made) in self.made.iter_mut().enumerate() {
            let of_source = |(at, edit): &(&At, &Edit)| {
                (at.source == source).then(|| (at.offset..at.offset + edit.replaced, edit.text.clone()))
            };
            let edits: Vec<(Range<usize>, String)> =
                edits.iter().filter_map(|edit| of_source(&edit)).collect();
            let edits: Vec<_> = edits
                .iter()
                .map(|(range, text)| (range.clone(), text.as_str()))
                .collect();
            made.splice(&edits);
        }
        Ok((!marks.marks.is_empty()).then(|| Arc::new(marks)))
    }
}

/// What is put in the place of some octets, perhaps of none.
#[derive(Debug, Default)]
struct Edit {
    replaced: usize,
    text: String,
}

struct Rewriting<'a, 'l> {
    tracker: &'a Tracker,
    links: &'a mut VariantLinks<'l>,
    sources: &'a [Named],
    flat: &'a Flat,
    marks: Marks,
    edits: BTreeMap<At, Edit>,
    /// A partial may stand in several places.
    seen: HashSet<At>,
}

impl Rewriting<'_, '_> {
    fn link(&mut self, link: &LinkPlace) {
        let value = &self.flat.text[link.value.clone()];
        let Some(at) = self
            .origin(&link.value)
            .filter(|at| leads_to_the_web(value) && self.seen.insert(*at))
        else {
            return;
        };
        let quote = if link.is_quoted { "" } else { "\"" };
        if value.contains("{{") {
            return self.merged(link, at, quote);
        }
        let url = self.tracker.utm.added_to(&address(value));
        if !is_trackable(&url) {
            return;
        }
        let text = match self.tracker.mode {
            Tracking::Off => escaped(&url),
            _ => match self.links.number(&url, &link.text) {
                Some(number) => self.marks.url(self.tracker, "c", HitTarget::Link(number)),
                None => return,
            },
        };
        let replaced = value.len();
        let text = format!("{quote}{text}{quote}");
        self.edits.insert(at, Edit { replaced, text });
    }

    /// A link into whose address something is merged.
    fn merged(&mut self, link: &LinkPlace, at: At, quote: &str) {
        let value = &self.flat.text[link.value.clone()];
        if !is_whole(value) {
            return;
        }
        let mark = match self.tracker.mode {
            // Its address says who follows it, so it is not counted for nobody.
            Tracking::Off | Tracking::Anonymous if self.tracker.utm.is_empty() => return,
            Tracking::Off | Tracking::Anonymous => Mark::Address(None),
            Tracking::Full => match self.links.number(&address(value), &link.text) {
                Some(number) => Mark::Address(Some(number)),
                None => return,
            },
        };
        let begin = format!("{quote}{}", self.marks.word(mark));
        let end = format!("{}{quote}", self.marks.word(Mark::End));
        self.insert(at, &begin);
        let offset = at.offset + value.len();
        self.insert(At { offset, ..at }, &end);
    }

    fn pixel_and_trap(&mut self, places: &Places) {
        if self.tracker.mode == Tracking::Off {
            return;
        }
        let trap = self.marks.url(self.tracker, "c", HitTarget::Trap);
        let trap = format!(
            "<a href=\"{trap}\" rel=\"nofollow\" aria-hidden=\"true\" tabindex=\"-1\" \
             style=\"display:none;mso-hide:all\"></a>"
        );
        let pixel = self.marks.url(self.tracker, "o", HitTarget::Pixel);
        let pixel = format!("<img src=\"{pixel}.gif\" width=\"1\" height=\"1\" alt=\"\">");
        let end = At {
            source: 0,
            offset: self.sources[0].html.len(),
        };
        let after = |at: usize| {
            let last = self.flat.origin(at - 1);
            At {
                offset: last.offset + 1,
                ..last
            }
        };
        let begins = places.body_begins.map_or(end, after);
        let ends = places.body_ends.map_or(end, |at| self.flat.origin(at));
        self.insert(begins, &trap);
        self.insert(ends, &pixel);
    }

    fn insert(&mut self, at: At, text: &str) {
        self.edits.entry(at).or_default().text.push_str(text);
    }

    /// Where a piece of the newsletter was written, if it was written in one piece.
    fn origin(&self, range: &Range<usize>) -> Option<At> {
        let first = self.flat.origin(range.start);
        let written = &self.sources[first.source].html;
        let same = written.get(first.offset..first.offset + range.len())? == &self.flat.text[range.clone()];
        let last = self.flat.origin(range.end.checked_sub(1)?);
        let in_one = first.source == last.source && last.offset + 1 == first.offset + range.len();
        (same && in_one).then_some(first)
    }
}

/// Whether all blocks of a value end in it, and nothing but values is merged into it.
fn is_whole(value: &str) -> bool {
    let mut depth = 0_usize;
    let mut from = 0;
    while let Some(at) = mustache::next(value, from) {
        let Some(found) = mustache::read(value, at) else {
            return false;
        };
        from = found.end;
        match found.kind {
            Kind::Expression | Kind::Comment => {}
            Kind::Open => depth += 1,
            Kind::Close if depth > 0 => depth -= 1,
            Kind::Else if depth > 0 => {}
            _ => return false,
        }
    }
    depth == 0 && !value.contains("\\{{")
}

/// As it stands in an attribute's value.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(c).map_or("", entity) {
            "" => out.push(c),
            _ if c == '=' => out.push(c),
            entity => out.push_str(entity),
        }
    }
    out
}

impl Marks {
    fn new(tracker: &Tracker, sources: &[Named]) -> Marks {
        let all: Vec<&str> = sources.iter().map(|source| source.html.as_str()).collect();
        Marks {
            braces: Braces::for_text(&all.concat()),
            marks: Vec::new(),
            campaign: tracker.campaign,
            keys: tracker.keys.clone(),
            utm: tracker.utm.clone(),
            click_base: format!("{}/c/", tracker.public_url),
        }
    }

    fn word(&mut self, mark: Mark) -> String {
        self.marks.push(mark);
        self.braces.word("")
    }

    /// The URL of a pixel or a link as it stands in the HTML: with a mark, or the same for all.
    fn url(&mut self, tracker: &Tracker, folder: &str, target: HitTarget) -> String {
        let mut url = escaped(&format!("{}/{folder}/", tracker.public_url));
        match tracker.mode {
            Tracking::Full => url.push_str(&self.word(Mark::Token(target))),
            Tracking::Anonymous | Tracking::Off => self.token(None, target, &mut url),
        }
        url
    }

    /// Appends a token.
    pub(super) fn token(&self, recipient: Option<RecipientId>, target: HitTarget, out: &mut String) {
        let token = HitToken {
            campaign: self.campaign,
            recipient,
            target,
        };
        token.sign_into(&self.keys, out);
    }

    /// What stands in a message in the place of an address that was merged to `value`.
    pub(super) fn address(&self, recipient: RecipientId, number: Option<u32>, value: &str) -> String {
        let to = self.utm.added_to(&address(value));
        let Some(number) = number.filter(|_| is_trackable(&to)) else {
            return escaped(&to);
        };
        let token = HitToken {
            campaign: self.campaign,
            recipient: Some(recipient),
            target: HitTarget::Link(number),
        };
        let mut url = escaped(&self.click_base);
        token.sign_leading_to(&to, &self.keys, &mut url);
        url.push_str("?to=");
        url.extend(utf8_percent_encode(&to, IN_QUERY));
        url
    }

    /// What the call says that stands for a mark.
    pub(super) fn mark(&self, call: &HelperTemplate) -> Option<Mark> {
        match call.params.as_slice() {
            [Parameter::Literal(number)] => self.marks.get(usize::try_from(number.as_u64()?).ok()?).copied(),
            _ => None,
        }
    }

    /// Makes the marks of all templates calls.
    pub(super) fn install(self: &Arc<Self>, registry: &mut Handlebars<'static>) {
        let mut templates = registry.get_templates().clone();
        for (name, template) in &mut templates {
            self.put_calls(template);
            registry.register_template(name, std::mem::take(template));
        }
        registry.register_helper(HIT, Box::new(Hit(Arc::clone(self))));
    }

    fn put_calls(&self, template: &mut Template) {
        let mut levels = vec![Level::default()];
        let places = template.mapping.clone();
        let elements = std::mem::take(&mut template.elements);
        for (at, mut element) in elements.into_iter().enumerate() {
            let place = places.get(at).or(places.last());
            match &mut element {
                TemplateElement::RawString(text) => {
                    self.split(text, place, &mut levels);
                    continue;
                }
                TemplateElement::HelperBlock(call) => {
                    for inner in [&mut call.template, &mut call.inverse].into_iter().flatten() {
                        self.put_calls(inner);
                    }
                }
                TemplateElement::PartialBlock(call) => {
                    if let Some(inner) = &mut call.template {
                        self.put_calls(inner);
                    }
                }
                _ => {}
            }
            push(&mut levels, element, place);
        }
        let whole = levels.pop().unwrap_or_default();
        template.elements = whole.elements;
        template.mapping = whole.mapping;
    }

    /// Cuts a text at its marks.
    fn split(&self, text: &str, place: Option<&TemplateMapping>, levels: &mut Vec<Level>) {
        let mut copied = 0;
        while let Some((at, number, end)) = self.braces.find(text, copied) {
            push_text(levels, &text[copied..at], place);
            copied = end;
            match self.marks.get(number) {
                Some(Mark::Token(_)) => push(levels, TemplateElement::Expression(call(number)), place),
                Some(Mark::Address(_)) => levels.push(Level {
                    address: number,
                    ..Level::default()
                }),
                Some(Mark::End) => {
                    let Some(level) = levels.pop() else { continue };
                    let mut call = call(level.address);
                    let mut inner = Template::default();
                    inner.elements = level.elements;
                    inner.mapping = level.mapping;
                    call.block = true;
                    call.template = Some(inner);
                    push(levels, TemplateElement::HelperBlock(call), place);
                }
                None => {}
            }
        }
        push_text(levels, &text[copied..], place);
    }
}

/// A template being put together, or the address inside it.
#[derive(Default)]
struct Level {
    /// The number of the mark that began it.
    address: usize,
    elements: Vec<TemplateElement>,
    mapping: Vec<TemplateMapping>,
}

fn push(levels: &mut [Level], element: TemplateElement, place: Option<&TemplateMapping>) {
    if let Some(level) = levels.last_mut() {
        level.elements.push(element);
        level.mapping.extend(place.cloned());
    }
}

fn push_text(levels: &mut [Level], text: &str, place: Option<&TemplateMapping>) {
    if !text.is_empty() {
        push(levels, TemplateElement::RawString(text.to_owned()), place);
    }
}

fn call(number: usize) -> Box<HelperTemplate> {
    let number = Parameter::Literal(json!(number));
    let call = Subexpression::new(Parameter::Name(HIT.to_owned()), vec![number], HashMap::new());
    match *call.element {
        TemplateElement::Expression(call) => call,
        _ => unreachable!("a subexpression is an expression"),
    }
}

thread_local! {
    /// To whom the message goes that is rendered by Handlebars: a helper knows nothing of the rendering it is part of.
    static RECIPIENT: Cell<RecipientId> = const { Cell::new(RecipientId(0)) };
}

/// A rendering by Handlebars begins.
pub(super) fn begin_for(recipient: RecipientId) {
    RECIPIENT.set(recipient);
}

/// The helper behind the calls.
struct Hit(Arc<Marks>);

impl HelperDef for Hit {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rendering: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let number = helper.param(0).and_then(|number| number.value().as_u64());
        let mark = number.and_then(|number| self.0.marks.get(usize::try_from(number).ok()?));
        let mut text = String::new();
        match (mark, helper.template()) {
            (Some(Mark::Token(target)), _) => self.0.token(Some(RECIPIENT.get()), *target, &mut text),
            (Some(Mark::Address(number)), Some(value)) => {
                let value = value.renders(registry, context, rendering)?;
                text = self.0.address(RECIPIENT.get(), *number, &value);
            }
            _ => {}
        }
        Ok(out.write(&text)?)
    }
}
