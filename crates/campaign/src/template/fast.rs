//! The short way: most newsletters are constant text, plain variables and a few `{{#if}}` once layouts and partials are
//! put in their places, with helpers that need nothing but their arguments. Those become a list of segments that is written straight into the message. Everything else goes through
//! Handlebars; both ways give the same octets (a test compares them).

use super::helpers::call::{Call, Pure, Term};
use super::helpers::{self, preheader};
use super::tracked::{HIT, Mark, Marks};
use super::{MAX_MESSAGE, budget};
use crate::merge::{MergeData, Place};
use crate::message::canonical::{Canonical, Piece};
use crate::token::HitTarget;
use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, Template, TemplateElement};
use handlebars::{Handlebars, JsonRender, Path, PathSeg};
use serde_json::Value;
use std::cell::Cell;
use std::sync::Arc;

/// Elements and octets that a newsletter may have with all its partials in their places; a longer text counts as more
/// than one. A greater one is rendered by Handlebars, which stops at its limits.
const MAX_ELEMENTS: usize = 200_000;

/// A newsletter as constant text with values between.
#[derive(Debug)]
pub(super) struct SegmentList(Vec<Segment>);

#[derive(Debug)]
enum Segment {
    Text(Piece),
    Value(Expression),
    Choice(Choice),
    /// The token in a tracked link, or in the pixel.
    Token(Arc<Marks>, HitTarget),
    Address(Address),
}

/// The address of a link that is made for each message: merged first.
#[derive(Debug)]
struct Address {
    marks: Arc<Marks>,
    /// The link's, if it is tracked.
    number: Option<u32>,
    value: SegmentList,
}

/// `{{#if}}` or `{{#unless}}`, or a comparison as a block.
#[derive(Debug)]
struct Choice {
    subject: Operand,
    if_true: SegmentList,
    if_false: SegmentList,
}

#[derive(Debug)]
struct Expression {
    operand: Operand,
    escape: bool,
}

#[derive(Debug)]
enum Operand {
    Place(Place),
    Literal(Value),
    Helper(Box<HelperCall>),
}

/// A call of a helper that needs nothing but its arguments.
#[derive(Debug)]
struct HelperCall {
    helper: &'static Pure,
    params: Vec<Operand>,
    options: Vec<(String, Operand)>,
}

impl Operand {
    /// `None` if a helper has no result: Handlebars finds the words for it.
    fn find<'a>(&'a self, data: &'a MergeData<'_>) -> Option<Term<'a>> {
        Some(match self {
            Operand::Place(place) => data.find(place).into(),
            Operand::Literal(value) => Term::of(value),
            Operand::Helper(call) => return call.result(data),
        })
    }
}

impl HelperCall {
    fn result<'a>(&'a self, data: &'a MergeData<'_>) -> Option<Term<'a>> {
        let params = self.params.iter().map(|operand| operand.find(data));
        let options = self
            .options
            .iter()
            .map(|(name, operand)| Some((name.as_str(), operand.find(data)?)));
        let attribute = |name: &str| data.recipient.attributes.get(name).and_then(Value::as_str);
        let call = Call {
            params: params.collect::<Option<_>>()?,
            options: options.collect::<Option<_>>()?,
            languages: [data.language, attribute("language"), attribute("locale")],
        };
        self.helper.call(&call).ok()
    }
}

/// How rendering ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// A value is missing or is not plain: this message is for Handlebars.
    Unfit,
    TooLarge,
}

/// What `{{> @partial-block}}` stands for: the block's content, and what it stands for inside that.
struct Scope<'a> {
    block: Option<(&'a Template, &'a Scope<'a>)>,
    /// How many choices it stands in.
    choices: usize,
    /// Whether it is put somewhere whatever is chosen.
    used: Cell<bool>,
}

impl SegmentList {
    /// `None` if the template needs Handlebars.
    pub(super) fn of(
        registry: &Handlebars<'_>,
        name: &str,
        escape: bool,
        marks: Option<&Arc<Marks>>,
    ) -> Option<SegmentList> {
        let mut flattening = Flattening {
            registry,
            marks,
            escape,
            choices: 0,
            left: &Cell::new(MAX_ELEMENTS),
            text: String::new(),
            segments: Vec::new(),
        };
        let scope = Scope {
            block: None,
            choices: 0,
            used: Cell::new(false),
        };
        flattening.template(registry.get_template(name)?, &scope)?;
        Some(flattening.finish())
    }

    pub(super) fn render(&self, data: &MergeData<'_>, out: &mut Canonical) -> Outcome {
        budget::begin();
        self.write(data, out)
    }

    fn write(&self, data: &MergeData<'_>, out: &mut Canonical) -> Outcome {
        for segment in &self.0 {
            match segment {
                Segment::Text(piece) => out.push_piece(piece),
                Segment::Value(expression) => {
                    if !expression.render(data, out) {
                        return Outcome::Unfit;
                    }
                    if out.bytes().len() > MAX_MESSAGE {
                        return Outcome::TooLarge;
                    }
                }
                Segment::Choice(choice) => {
                    let Some(subject) = choice.subject.find(data) else {
                        return Outcome::Unfit;
                    };
                    let chosen = if subject.is_truthy() {
                        &choice.if_true
                    } else {
                        &choice.if_false
                    };
                    match chosen.write(data, out) {
                        Outcome::Done => {}
                        outcome => return outcome,
                    }
                }
                Segment::Token(marks, target) => {
                    let mut token = String::with_capacity(64);
                    marks.token(Some(data.recipient.id), *target, &mut token);
                    out.push(&token);
                }
                Segment::Address(address) => match address.write(data, out) {
                    Outcome::Done => {}
                    outcome => return outcome,
                },
            }
        }
        Outcome::Done
    }
}

impl Address {
    fn write(&self, data: &MergeData<'_>, out: &mut Canonical) -> Outcome {
        let mut value = Canonical::default();
        let outcome = self.value.write(data, &mut value);
        if outcome == Outcome::Done {
            let value = std::str::from_utf8(value.bytes()).expect("templates and values are UTF-8");
            out.push(&self.marks.address(data.recipient.id, self.number, value));
        }
        outcome
    }
}

impl Expression {
    /// False if the value is missing or not plain.
    fn render(&self, data: &MergeData<'_>, out: &mut Canonical) -> bool {
        match self.operand.find(data) {
            None | Some(Term::Missing) => return false,
            Some(Term::Text(text)) => self.write(&text, out),
            Some(Term::Json(value)) if value.is_array() || value.is_object() => return false,
            Some(Term::Json(value)) => self.write(&value.render(), out),
        }
        true
    }

    fn write(&self, text: &str, out: &mut Canonical) {
        if self.escape {
            out.push_escaped(text)
        } else {
            out.push(text)
        }
    }
}

struct Flattening<'a> {
    registry: &'a Handlebars<'a>,
    marks: Option<&'a Arc<Marks>>,
    escape: bool,
    /// How many choices we are in.
    choices: usize,
    /// How many more elements may be looked at.
    left: &'a Cell<usize>,
    /// Constant text that is not yet a segment.
    text: String,
    segments: Vec<Segment>,
}

impl<'a> Flattening<'a> {
    fn template(&mut self, template: &'a Template, scope: &Scope<'_>) -> Option<()> {
        for element in &template.elements {
            let length = match element {
                TemplateElement::RawString(text) => text.len(),
                _ => 0,
            };
            self.left.set(self.left.get().checked_sub(1 + length / 16)?);
            match element {
                TemplateElement::RawString(text) => self.text.push_str(text),
                TemplateElement::Comment(_) => {}
                TemplateElement::Expression(call) => self.expression(call, self.escape)?,
                TemplateElement::HtmlExpression(call) => self.expression(call, false)?,
                TemplateElement::PartialExpression(call) | TemplateElement::PartialBlock(call) => {
                    self.partial(call, scope)?;
                }
                TemplateElement::HelperBlock(call) => self.choice(call, scope)?,
                _ => return None,
            }
        }
        Some(())
    }

    fn choice(&mut self, call: &'a HelperTemplate, scope: &Scope<'_>) -> Option<()> {
        let name = call.name.as_name()?;
        if call.block_param.is_some() {
            return None;
        }
        match name {
            "preheader" => return self.preheader(call, scope),
            HIT => return self.address(call, scope),
            _ => {}
        }
        let negated = name == "unless";
        let subject = match (name, call.params.as_slice()) {
            ("if" | "unless", [subject]) if call.hash.is_empty() => {
                operand(subject).filter(|operand| !matches!(operand, Operand::Literal(_)))?
            }
            _ => helper_call(name, call)?,
        };
        let (yes, no) = (
            self.branch(call.template.as_ref(), scope)?,
            self.branch(call.inverse.as_ref(), scope)?,
        );
        let (if_true, if_false) = if negated { (no, yes) } else { (yes, no) };
        self.end_text();
        self.segments.push(Segment::Choice(Choice {
            subject,
            if_true,
            if_false,
        }));
        Some(())
    }

    fn preheader(&mut self, call: &'a HelperTemplate, scope: &Scope<'_>) -> Option<()> {
        self.text.push_str(preheader::BEFORE);
        if let Some(line) = &call.template {
            self.template(line, scope)?;
        }
        self.text.push_str(&preheader::after());
        Some(())
    }

    fn address(&mut self, call: &'a HelperTemplate, scope: &Scope<'_>) -> Option<()> {
        let marks = self.marks?;
        let Mark::Address(number) = marks.mark(call)? else {
            return None;
        };
        let value = self.branch(call.template.as_ref(), scope)?;
        self.end_text();
        self.segments.push(Segment::Address(Address {
            marks: Arc::clone(marks),
            number,
            value,
        }));
        Some(())
    }

    fn token(&mut self, call: &HelperTemplate) -> Option<()> {
        let marks = self.marks?;
        let Mark::Token(target) = marks.mark(call)? else {
            return None;
        };
        self.end_text();
        self.segments.push(Segment::Token(Arc::clone(marks), target));
        Some(())
    }

    fn branch(&self, template: Option<&Template>, scope: &Scope<'_>) -> Option<SegmentList> {
        let mut inner = Flattening {
            registry: self.registry,
            marks: self.marks,
            escape: self.escape,
            choices: self.choices + 1,
            left: self.left,
            text: String::new(),
            segments: Vec::new(),
        };
        if let Some(template) = template {
            inner.template(template, scope)?;
        }
        Some(inner.finish())
    }

    fn finish(mut self) -> SegmentList {
        self.end_text();
        SegmentList(self.segments)
    }

    fn partial(&mut self, call: &'a DecoratorTemplate, scope: &Scope<'_>) -> Option<()> {
        if !call.params.is_empty() || !call.hash.is_empty() || call.indent.is_some() {
            return None;
        }
        let name = call.name.as_name()?;
        if name == "@partial-block" {
            if scope.choices == self.choices {
                scope.used.set(true);
            }
            return match (scope.block, &call.template) {
                (Some((content, outer)), _) => self.block_content(content, outer),
                (None, Some(fallback)) => self.template(fallback, scope),
                (None, None) => None,
            };
        }
        let partial = self.registry.get_template(name)?;
        let block = call.template.as_ref().map(|content| (content, scope));
        let inner = Scope {
            block,
            choices: self.choices,
            used: Cell::new(false),
        };
        self.template(partial, &inner)?;
        // Handlebars renders the content even where the layout drops it, and reports what is missing there.
        (call.template.is_none() || inner.used.get()).then_some(())
    }

    fn block_content(&mut self, content: &Template, outer: &Scope<'_>) -> Option<()> {
        let mut nested = Flattening {
            registry: self.registry,
            marks: self.marks,
            escape: self.escape,
            choices: self.choices,
            left: self.left,
            text: std::mem::take(&mut self.text),
            segments: std::mem::take(&mut self.segments),
        };
        let done = nested.template(content, outer);
        self.text = nested.text;
        self.segments = nested.segments;
        done
    }

    fn expression(&mut self, call: &HelperTemplate, escape: bool) -> Option<()> {
        let name = call.name.as_name()?;
        let operand = match call.params.as_slice() {
            _ if name == budget::STEP => return Some(()),
            _ if name == HIT => return self.token(call),
            [] if call.hash.is_empty() && !call.block => operand(&call.name)?,
            [value] if name == helpers::PLAIN => operand(value)?,
            _ => helper_call(name, call)?,
        };
        self.end_text();
        self.segments.push(Segment::Value(Expression { operand, escape }));
        Some(())
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.segments.push(Segment::Text(Piece::new(&self.text)));
            self.text.clear();
        }
    }
}

fn helper_call(name: &str, call: &HelperTemplate) -> Option<Operand> {
    let option = |(name, value): (&String, &Parameter)| Some((name.clone(), operand(value)?));
    Some(Operand::Helper(Box::new(HelperCall {
        helper: helpers::pure(name)?,
        params: call.params.iter().map(operand).collect::<Option<_>>()?,
        options: call.hash.iter().map(option).collect::<Option<_>>()?,
    })))
}

fn operand(parameter: &Parameter) -> Option<Operand> {
    match parameter {
        Parameter::Literal(value) if !value.is_array() && !value.is_object() => {
            Some(Operand::Literal(value.clone()))
        }
        Parameter::Path(Path::Relative((segments, _))) => {
            let path: Option<Vec<&str>> = segments
                .iter()
                .map(|segment| match segment {
                    PathSeg::Named(name) => Some(name.as_str()),
                    _ => None,
                })
                .collect();
            Place::of(&path?).map(Operand::Place)
        }
        Parameter::Subexpression(inner) => match inner.as_element() {
            TemplateElement::Expression(call) => helper_call(call.name.as_name()?, call),
            _ => None,
        },
        _ => None,
    }
}
