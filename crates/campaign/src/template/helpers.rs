//! Which words of a template are helpers. One that does not exist is refused before anything is sent, and a column that
//! is called like one is still a column.

pub(super) mod call;
mod currency;
mod date;
mod language;
mod logic;
mod lookup;
mod number;
pub(super) mod preheader;
mod text;

use super::Part;
use super::budget;
use call::{ByHandlebars, Condition, Pure};
use handlebars::template::{HelperTemplate, Parameter, Subexpression, Template, TemplateElement};
use handlebars::{Handlebars, Path, PathSeg};
use std::collections::HashMap;

/// The blocks, and `lookup`. All but `preheader` are Handlebars' own.
const BUILT_IN: [&str; 7] = ["if", "unless", "each", "with", "preheader", "lookup", "raw"];

/// Makes a helper: name, usage, number of arguments, names of other arguments.
macro_rules! pure {
    ($run:path, $name:literal, $usage:literal, $least:literal..=$most:literal, $options:expr, $condition:literal) => {
        Pure {
            name: $name,
            usage: $usage,
            params: ($least, $most),
            options: &$options,
            condition: $condition,
            run: $run,
        }
    };
}

/// Helpers whose result depends on their arguments and the recipient's language alone.
static PURE: [Pure; 19] = [
    pure!(
        logic::default,
        "default",
        "{{default name \"friend\"}}",
        2..=16,
        [],
        false
    ),
    pure!(logic::eq, "eq", "{{#if (eq city \"Ulm\")}}", 2..=2, [], true),
    pure!(logic::ne, "ne", "{{#if (ne city \"Ulm\")}}", 2..=2, [], true),
    pure!(logic::gt, "gt", "{{#if (gt visits 3)}}", 2..=2, [], true),
    pure!(logic::gte, "gte", "{{#if (gte visits 3)}}", 2..=2, [], true),
    pure!(logic::lt, "lt", "{{#if (lt visits 3)}}", 2..=2, [], true),
    pure!(logic::lte, "lte", "{{#if (lte visits 3)}}", 2..=2, [], true),
    pure!(logic::and, "and", "{{#if (and member city)}}", 1..=16, [], true),
    pure!(logic::or, "or", "{{#if (or member city)}}", 1..=16, [], true),
    pure!(logic::not, "not", "{{#if (not member)}}", 1..=1, [], true),
    pure!(logic::len, "len", "{{len offers}}", 1..=1, [], false),
    pure!(text::upper, "upper", "{{upper city}}", 1..=1, ["locale"], false),
    pure!(text::lower, "lower", "{{lower city}}", 1..=1, ["locale"], false),
    pure!(text::title, "title", "{{title name}}", 1..=1, ["locale"], false),
    pure!(
        text::truncate,
        "truncate",
        "{{truncate summary 80}}",
        2..=2,
        ["end"],
        false
    ),
    pure!(
        text::url_encode,
        "url_encode",
        "{{url_encode city}}",
        1..=1,
        [],
        false
    ),
    pure!(
        number::number,
        "number",
        "{{number points digits=2}}",
        1..=1,
        ["digits", "locale"],
        false
    ),
    pure!(
        currency::currency,
        "currency",
        "{{currency price \"EUR\"}}",
        2..=2,
        ["digits", "locale"],
        false
    ),
    pure!(
        date::date,
        "date",
        "{{date day \"long\"}}",
        1..=2,
        ["time", "zone", "locale"],
        false
    ),
];

/// Has options of its own.
static PLURAL: Pure = pure!(
    number::plural,
    "plural",
    "{{plural n \"offer\" \"offers\"}} or {{plural n one=\"an offer\" other=\"# offers\"}}",
    1..=3,
    ["none", "zero", "one", "two", "few", "many", "other", "locale"],
    false
);

fn all_pure() -> impl Iterator<Item = &'static Pure> {
    PURE.iter().chain([&PLURAL])
}

/// The helper of this name, if its result depends on its arguments alone.
pub(super) fn pure(name: &str) -> Option<&'static Pure> {
    all_pure().find(|helper| helper.name == name)
}

/// The names of all there are, also within `(…)`.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().chain(all_pure().map(|helper| helper.name))
}

/// Makes the helpers known to Handlebars.
pub(super) fn register(registry: &mut Handlebars<'static>) {
    registry.unregister_helper("log");
    for helper in all_pure() {
        if helper.condition {
            registry.register_helper(helper.name, Box::new(Condition(helper)));
        } else {
            registry.register_helper(helper.name, Box::new(ByHandlebars(helper)));
        }
    }
    registry.register_helper("preheader", Box::new(preheader::Preheader));
    registry.register_helper(PLAIN, Box::new(lookup::Plain));
    registry.register_helper(LIST, Box::new(lookup::List));
    registry.register_helper("lookup", Box::new(lookup::Lookup));
    registry.register_helper(budget::STEP, Box::new(budget::Step));
}

/// The name of the call before each `{{#each}}`.
pub(super) const LIST: &str = "{{list}}";

/// What `{{{name}}}` becomes: a call, so that what it writes is counted.
pub(super) const PLAIN: &str = "{{plain}}";

/// What is wrong and where, from 1.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Gives each element a place in the source: to Handlebars an `{{else if}}` has none, so it gets that of its block.
pub(super) fn fill_places(template: &mut Template) {
    for (at, element) in template.elements.iter_mut().enumerate() {
        let place = template.mapping.get(at).or(template.mapping.last()).cloned();
        let (first, second) = match element {
            TemplateElement::HelperBlock(block) => (&mut block.template, &mut block.inverse),
            TemplateElement::PartialBlock(call) => (&mut call.template, &mut None),
            _ => continue,
        };
        for inner in [first, second].into_iter().flatten() {
            if let Some(place) = &place {
                let missing = inner.elements.len().saturating_sub(inner.mapping.len());
                inner.mapping.extend(std::iter::repeat_n(place.clone(), missing));
            }
            fill_places(inner);
        }
    }
}

/// Makes three things of a template that Handlebars would do otherwise. `{{len}}`, which calls nothing for want of
/// arguments, means the column of that name. What `{{{name}}}` writes is counted. `{{#each}}` first looks whether it
/// has a list.
pub(super) fn prepare(template: &mut Template) {
    let mut lists = Vec::new();
    for (at, element) in template.elements.iter_mut().enumerate() {
        match element {
            TemplateElement::Expression(call) => free(call),
            TemplateElement::HtmlExpression(call) => {
                free(call);
                if call.params.is_empty() && call.hash.is_empty() {
                    call.params = vec![std::mem::replace(
                        &mut call.name,
                        Parameter::Name(PLAIN.to_owned()),
                    )];
                }
            }
            TemplateElement::HelperBlock(block) => {
                for inner in [&mut block.template, &mut block.inverse].into_iter().flatten() {
                    prepare(inner);
                }
                if let (Some("each"), [list, ..]) = (block.name.as_name(), &*block.params) {
                    lists.push((at, list.clone()));
                }
            }
            TemplateElement::PartialBlock(call) => {
                if let Some(inner) = &mut call.template {
                    prepare(inner);
                }
            }
            _ => {}
        }
    }
    // From the end, so that the places stay right.
    for (at, list) in lists.into_iter().rev() {
        let look = Subexpression::new(Parameter::Name(LIST.to_owned()), vec![list], HashMap::new());
        template.elements.insert(at, *look.element);
        template.mapping.insert(at, template.mapping[at].clone());
    }
}

fn free(call: &mut HelperTemplate) {
    if call.block || !call.params.is_empty() || !call.hash.is_empty() {
        return;
    }
    if let Some(name) = call
        .name
        .as_name()
        .filter(|name| names().any(|helper| helper == *name))
    {
        let path = (vec![PathSeg::Named(name.to_owned())], format!("./{name}"));
        call.name = Parameter::Path(Path::Relative(path));
    }
}

/// Refuses calls of helpers that do not exist.
pub(super) fn check(template: &Template, part: Part) -> Result<(), Fault> {
    for (at, element) in template.elements.iter().enumerate() {
        let unknown = match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                if call.params.is_empty() && call.hash.is_empty() {
                    None
                } else {
                    unknown_in(call)
                }
            }
            TemplateElement::HelperBlock(call) => unfit_block(call, part).or_else(|| unknown_in(call)),
            TemplateElement::PartialExpression(call) | TemplateElement::PartialBlock(call) => {
                let parameters = call.params.iter().chain(call.hash.values());
                parameters.filter_map(unknown_in_parameter).next()
            }
            _ => None,
        };
        if let Some(message) = unknown {
            let (line, column) = template
                .mapping
                .get(at)
                .map_or((1, 1), |place| (place.0, place.1));
            return Err(Fault {
                line,
                column,
                message,
            });
        }
        for inner in inner_templates(element) {
            check(inner, part)?;
        }
    }
    Ok(())
}

fn inner_templates(element: &TemplateElement) -> impl Iterator<Item = &Template> {
    let inner = match element {
        TemplateElement::HelperBlock(block) => [block.template.as_ref(), block.inverse.as_ref()],
        TemplateElement::PartialBlock(call) => [call.template.as_ref(), None],
        _ => [None, None],
    };
    inner.into_iter().flatten()
}

/// What is wrong with a call, or with one inside its parameters.
fn unknown_in(call: &HelperTemplate) -> Option<String> {
    match call.name.as_name() {
        Some(name) if !names().any(|helper| helper == name) => Some(explain(name, call)),
        name => name
            .and_then(pure)
            .and_then(|helper| wrong_arguments(helper, call))
            .or_else(|| unknown_in_arguments(call)),
    }
}

fn unknown_in_arguments(call: &HelperTemplate) -> Option<String> {
    call.params
        .iter()
        .chain(call.hash.values())
        .find_map(unknown_in_parameter)
}

/// Why a helper cannot be a block, or not in this part.
fn unfit_block(call: &HelperTemplate, part: Part) -> Option<String> {
    let name = call.name.as_name()?;
    if name == "preheader" && part != Part::Html {
        return Some("a preheader stands in the HTML only".to_owned());
    }
    let no_block = name == "lookup" || pure(name).is_some_and(|helper| !helper.condition);
    no_block.then(|| {
        format!("`{name}` makes a value and cannot be a block: {{{{#if {name}}}}} asks for a column")
    })
}

fn wrong_arguments(helper: &Pure, call: &HelperTemplate) -> Option<String> {
    let (least, most) = helper.params;
    let Pure { name, usage, .. } = helper;
    if !(least..=most).contains(&call.params.len()) {
        let wanted = if least == most {
            least.to_string()
        } else {
            format!("{least} to {most}")
        };
        let given = call.params.len();
        return Some(format!(
            "`{name}` takes {wanted} values, not {given}; it is written {usage}"
        ));
    }
    let mut options: Vec<_> = call.hash.keys().collect();
    options.sort();
    let unknown = options
        .into_iter()
        .find(|option| !helper.options.contains(&option.as_str()));
    let Some(unknown) = unknown else {
        return wrong_literal(name, call);
    };
    let known = match helper.options {
        [] => "none".to_owned(),
        options => options.join(", "),
    };
    Some(format!(
        "`{name}` knows no {unknown}=…, it knows {known}; it is written {usage}"
    ))
}

/// What is wrong with an argument that is written out: it would be wrong for everybody.
fn wrong_literal(name: &str, call: &HelperTemplate) -> Option<String> {
    let param = |at: usize| written_out(call.params.get(at));
    let option = |name: &str| written_out(call.hash.get(name));
    if let ("currency", Some(code)) = (name, param(1))
        && let Some(wrong) = currency::unknown(code)
    {
        return Some(format!("\"{code}\" {wrong}"));
    }
    let of_date = match name {
        "date" => param(1).and_then(date::unknown_style),
        _ => None,
    };
    of_date
        .or_else(|| option("locale").and_then(language::unknown))
        .or_else(|| option("zone").and_then(date::unknown_zone))
        .map(|wrong| format!("{name}: {wrong}"))
}

fn written_out(parameter: Option<&Parameter>) -> Option<&str> {
    match parameter {
        Some(Parameter::Literal(serde_json::Value::String(text))) => Some(text),
        _ => None,
    }
}

fn unknown_in_parameter(parameter: &Parameter) -> Option<String> {
    let Parameter::Subexpression(Subexpression { element, .. }) = parameter else {
        return None;
    };
    match &**element {
        TemplateElement::Expression(call) => unknown_in(call),
        _ => None,
    }
}

fn explain(name: &str, call: &HelperTemplate) -> String {
    let known: Vec<&str> = names().collect();
    let mut message = format!("there is no helper `{name}`, only {}", known.join(", "));
    let words: Option<Vec<&str>> = call.params.iter().map(Parameter::as_name).collect();
    if let Some(words) = words.filter(|words| !call.block && !words.is_empty()) {
        let column = format!("{name} {}", words.join(" "));
        message.push_str(&format!(
            "; if the column is called \"{column}\", write {{{{[{column}]}}}}"
        ));
    }
    message
}
