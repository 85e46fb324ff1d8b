//! The short way: most newsletters are constant text, plain variables and a few `{{#if}}` once layouts and partials are
//! put in their places. Those become a list of segments that is written straight into the message. Everything else goes through
//! Handlebars; both ways give the same octets (a test compares them).

use super::MAX_MESSAGE;
use super::default::says_something;
use crate::merge::{Found, MergeData, Place};
use crate::message::canonical::{Canonical, Piece};
use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, Template, TemplateElement};
use handlebars::{Handlebars, JsonRender, JsonTruthy, Path, PathSeg};
use serde_json::Value;
use std::cell::Cell;

/// A newsletter as constant text with values between.
#[derive(Debug)]
pub(super) struct SegmentList(Vec<Segment>);

#[derive(Debug)]
enum Segment {
    Text(Piece),
    Value(Expression),
    Choice(Choice),
}

/// `{{#if}}` or `{{#unless}}`.
#[derive(Debug)]
struct Choice {
    subject: Operand,
    if_true: SegmentList,
    if_false: SegmentList,
}

#[derive(Debug)]
struct Expression {
    /// One variable; or, for `default`, two or more, of which the first that says something is taken.
    operands: Vec<Operand>,
    escape: bool,
}

#[derive(Debug)]
enum Operand {
    Place(Place),
    Literal(String),
}

impl Operand {
    fn find<'a>(&'a self, data: &'a MergeData<'_>) -> Found<'a> {
        match self {
            Operand::Place(place) => data.find(place),
            Operand::Literal(text) => Found::Text(text),
        }
    }
}

impl Found<'_> {
    /// What `{{#if}}` takes for true.
    fn is_truthy(self) -> bool {
        match self {
            Found::Missing => false,
            Found::Text(text) => !text.is_empty(),
            Found::Json(value) => value.is_truthy(false),
        }
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
    pub(super) fn of(registry: &Handlebars<'_>, name: &str, escape: bool) -> Option<SegmentList> {
        let mut flattening = Flattening {
            registry,
            escape,
            choices: 0,
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
                    let chosen = choice.subject.find(data).is_truthy();
                    match if chosen { &choice.if_true } else { &choice.if_false }.render(data, out) {
                        Outcome::Done => {}
                        outcome => return outcome,
                    }
                }
            }
        }
        Outcome::Done
    }
}

impl Expression {
    /// False if the value is missing or not plain.
    fn render(&self, data: &MergeData<'_>, out: &mut Canonical) -> bool {
        let chosen = match self.operands.as_slice() {
            [one] => one.find(data),
            many => {
                let speaks = |value: &Found<'_>| match value {
                    Found::Missing => false,
                    Found::Text(text) => !text.trim().is_empty(),
                    Found::Json(value) => says_something(value),
                };
                let last = many.last().map_or(Found::Missing, |operand| operand.find(data));
                many.iter()
                    .map(|operand| operand.find(data))
                    .find(speaks)
                    .unwrap_or(last)
            }
        };
        match chosen {
            Found::Missing | Found::Json(Value::Array(_) | Value::Object(_)) => return false,
            Found::Text(text) => self.write(text, out),
            Found::Json(value) => self.write(&value.render(), out),
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
    escape: bool,
    /// How many choices we are in.
    choices: usize,
    /// Constant text that is not yet a segment.
    text: String,
    segments: Vec<Segment>,
}

impl<'a> Flattening<'a> {
    fn template(&mut self, template: &'a Template, scope: &Scope<'_>) -> Option<()> {
        for element in &template.elements {
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

    fn choice(&mut self, call: &HelperTemplate, scope: &Scope<'_>) -> Option<()> {
        let negated = match call.name.as_name()? {
            "if" => false,
            "unless" => true,
            _ => return None,
        };
        let [subject] = call.params.as_slice() else {
            return None;
        };
        if !call.hash.is_empty() || call.block_param.is_some() {
            return None;
        }
        let subject = operand(subject).filter(|operand| matches!(operand, Operand::Place(_)))?;
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

    fn branch(&self, template: Option<&Template>, scope: &Scope<'_>) -> Option<SegmentList> {
        let mut inner = Flattening {
            registry: self.registry,
            escape: self.escape,
            choices: self.choices + 1,
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
            escape: self.escape,
            choices: self.choices,
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
        let operands = if call.params.is_empty() && call.hash.is_empty() && !call.block {
            vec![operand(&call.name)?]
        } else if name == "default" && call.hash.is_empty() && call.params.len() > 1 {
            call.params.iter().map(operand).collect::<Option<Vec<_>>>()?
        } else {
            return None;
        };
        self.end_text();
        self.segments
            .push(Segment::Value(Expression { operands, escape }));
        Some(())
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.segments.push(Segment::Text(Piece::new(&self.text)));
            self.text.clear();
        }
    }
}

fn operand(parameter: &Parameter) -> Option<Operand> {
    match parameter {
        Parameter::Literal(value) if !value.is_array() && !value.is_object() => {
            Some(Operand::Literal(value.render()))
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
        _ => None,
    }
}
