//! How deep blocks and partials stand in each other, and how often layouts place their content. Handlebars calls itself for
//! each level, and keeps in memory whatever a layout is to place, so both have an end.

use super::{Part, TemplateError};
use handlebars::Handlebars;
use handlebars::template::{HelperTemplate, Template, TemplateElement};
use std::collections::HashMap;

/// How deep blocks and partials may stand in each other, altogether. The stack of a thread has room for three times as many.
const MAX_DEPTH: usize = 200;
/// How often a content may be placed by its layout, and the layouts of that one.
const MAX_COPIES: usize = 16;

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Levels, with those of the partials.
    depth: usize,
    /// How often it places the content that it is given.
    places: usize,
    /// The greatest number of copies of any content in it.
    copies: usize,
}

impl Size {
    fn and(self, other: Size) -> Size {
        Size {
            depth: self.depth.max(other.depth),
            places: self.places.saturating_add(other.places),
            copies: self.copies.max(other.copies),
        }
    }

    fn deeper(self) -> Size {
        Size {
            depth: self.depth + 1,
            ..self
        }
    }
}

/// Checks all that `root` leads to. It must be free of circles.
pub(super) fn check(registry: &Handlebars<'_>, part: Part, root: &str) -> Result<(), TemplateError> {
    let mut walk = Walk {
        registry,
        part,
        level: 0,
        known: HashMap::new(),
    };
    walk.named(root).map(drop)
}

struct Walk<'a> {
    registry: &'a Handlebars<'a>,
    part: Part,
    /// Where we are, from the root.
    level: usize,
    known: HashMap<&'a str, Size>,
}

impl<'a> Walk<'a> {
    fn named(&mut self, name: &'a str) -> Result<Size, TemplateError> {
        if let Some(size) = self.known.get(name) {
            return Ok(*size);
        }
        let size = match self.registry.get_template(name) {
            Some(template) => self.template(template, name)?,
            None => Size::default(),
        };
        self.known.insert(name, size);
        Ok(size)
    }

    fn template(&mut self, template: &'a Template, name: &str) -> Result<Size, TemplateError> {
        let mut all = Size::default();
        for (at, element) in template.elements.iter().enumerate() {
            // Not to the bottom first, for we call ourselves too.
            let size = if self.level < MAX_DEPTH {
                self.level += 1;
                let size = self.element(element, name)?;
                self.level -= 1;
                size
            } else {
                Size {
                    depth: usize::MAX,
                    ..Size::default()
                }
            };
            let problem = if size.depth > MAX_DEPTH {
                format!("blocks and partials stand in each other deeper than {MAX_DEPTH}")
            } else if is_loop(element) && size.places > 0 {
                "a layout cannot place its content in a loop".to_owned()
            } else if size.copies.max(size.places) > MAX_COPIES {
                format!("layouts place the same content more than {MAX_COPIES} times")
            } else {
                all = all.and(size);
                continue;
            };
            let (line, column) = template
                .mapping
                .get(at)
                .map_or((1, 1), |place| (place.0, place.1));
            return Err(TemplateError {
                template: self.part.of(name),
                line,
                column,
                message: problem,
            });
        }
        Ok(all)
    }

    fn element(&mut self, element: &'a TemplateElement, name: &str) -> Result<Size, TemplateError> {
        let call = match element {
            TemplateElement::HelperBlock(call) => return self.block(call, name),
            TemplateElement::PartialExpression(call) | TemplateElement::PartialBlock(call) => call,
            _ => return Ok(Size::default()),
        };
        let content = match &call.template {
            Some(content) => self.template(content, name)?,
            None => Size::default(),
        };
        let called = call.name.as_name().unwrap_or_default();
        if called == "@partial-block" {
            let placed = Size {
                places: 1,
                ..Size::default()
            };
            return Ok(content.and(placed).deeper());
        }
        let layout = self.named(called)?;
        Ok(Size {
            depth: layout.depth + content.depth + 1,
            places: layout.places.saturating_mul(content.places),
            copies: layout
                .places
                .saturating_mul(content.copies.max(1))
                .max(layout.copies),
        })
    }

    fn block(&mut self, call: &'a HelperTemplate, name: &str) -> Result<Size, TemplateError> {
        let mut all = Size::default();
        for inner in [&call.template, &call.inverse].into_iter().flatten() {
            all = all.and(self.template(inner, name)?);
        }
        Ok(all.deeper())
    }
}

fn is_loop(element: &TemplateElement) -> bool {
    matches!(element, TemplateElement::HelperBlock(call) if call.name.as_name() == Some("each"))
}
