//! Puts partials and layouts in their places in the source text, remembering where everything came from. For what must
//! see a newsletter as a whole: MJML, and the styles of a layout that reach what stands in it.

use super::mustache::{self, Kind};
use super::{MAX_MESSAGE, Part, TemplateError, line_and_column};
use std::ops::Range;

/// How deep partials may call each other; deeper ones are found by [`references`](super::references).
const MAX_DEPTH: usize = 33;

/// A template's name and source. Lines end with LF.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) html: String,
}

/// A place in one of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) source: usize,
    pub(super) offset: usize,
}

impl At {
    pub(super) fn error(self, sources: &[Named], message: impl Into<String>) -> TemplateError {
        let source = &sources[self.source];
        let (line, column) = line_and_column(&source.html, self.offset);
        TemplateError {
            template: Part::Html.of(&source.name),
            line,
            column,
            message: message.into(),
        }
    }
}

/// The source of a newsletter with the partials that were chosen in their places.
#[derive(Debug, Default)]
pub(super) struct Flat {
    pub(super) text: String,
    /// Where each piece begins in `text` and came from, ascending.
    pieces: Vec<(usize, At)>,
}

impl Flat {
    /// The first of `sources` with those partials of which `chosen` says so. The sources must be checked: no template
    /// contains itself.
    pub(super) fn of(sources: &[Named], chosen: &dyn Fn(&Named) -> bool) -> Result<Flat, TemplateError> {
        let mut flattening = Flattening {
            sources,
            chosen,
            flat: Flat::default(),
            depth: 0,
        };
        flattening.span(
            At { source: 0, offset: 0 },
            sources[0].html.len(),
            &Scope { block: None },
        )?;
        Ok(flattening.flat)
    }

    /// Where an octet came from.
    pub(super) fn origin(&self, at: usize) -> At {
        let after = self.pieces.partition_point(|(start, _)| *start <= at);
        match self.pieces.get(after.saturating_sub(1)) {
            Some((start, from)) => At {
                source: from.source,
                offset: from.offset + (at - start),
            },
            None => At { source: 0, offset: 0 },
        }
    }
}

/// What `{{> @partial-block}}` stands for, and what it stands for inside that.
struct Scope<'a> {
    block: Option<(usize, Range<usize>, &'a Scope<'a>)>,
}

struct Flattening<'a> {
    sources: &'a [Named],
    chosen: &'a dyn Fn(&Named) -> bool,
    flat: Flat,
    depth: usize,
}

impl Flattening<'_> {
    fn copy(&mut self, from: At, end: usize) -> Result<(), TemplateError> {
        if from.offset == end {
            return Ok(());
        }
        let text = &self.sources[from.source].html[from.offset..end];
        if self.flat.text.len() + text.len() > MAX_MESSAGE {
            let message = format!(
                "with all its partials the newsletter is larger than {} MB",
                MAX_MESSAGE / 1_000_000
            );
            return Err(At { source: 0, offset: 0 }.error(self.sources, message));
        }
        self.flat.pieces.push((self.flat.text.len(), from));
        self.flat.text.push_str(text);
        Ok(())
    }

    fn span(&mut self, from: At, end: usize, scope: &Scope<'_>) -> Result<(), TemplateError> {
        let source = from.source;
        let html = &self.sources[source].html[..end];
        let mut copied = from.offset;
        let mut at = from.offset;
        while let Some(start) = mustache::next(html, at) {
            let Some(found) = mustache::read(html, start) else {
                break;
            };
            at = found.end;
            let content = match found.kind {
                Kind::Partial => None,
                Kind::OpenPartial => Some(block_content(html, found.end)),
                _ => continue,
            };
            let Some(target) = self.target(found.name, scope) else {
                continue;
            };
            self.copy(
                At {
                    source,
                    offset: copied,
                },
                start,
            )?;
            if let Some((_, after)) = &content {
                at = *after;
            }
            copied = at;
            let block = content.map(|(range, _)| (source, range, scope));
            match target {
                Target::Template(index) => {
                    let whole = self.sources[index].html.len();
                    self.call(
                        At {
                            source: index,
                            offset: 0,
                        },
                        whole,
                        &Scope { block },
                    )?;
                }
                Target::Block(block, range, outer) => {
                    let from = At {
                        source: block,
                        offset: range.start,
                    };
                    self.call(from, range.end, outer)?;
                }
            }
        }
        self.copy(
            At {
                source,
                offset: copied,
            },
            end,
        )
    }

    fn call(&mut self, from: At, end: usize, scope: &Scope<'_>) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth <= 2 * MAX_DEPTH {
            self.span(from, end, scope)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// `None` where the call is to stay as it is.
    fn target<'s>(&self, name: &str, scope: &'s Scope<'_>) -> Option<Target<'s>> {
        if name == "@partial-block" {
            let (source, range, outer) = scope.block.as_ref()?;
            return Some(Target::Block(*source, range.clone(), outer));
        }
        let index = self.sources.iter().position(|source| source.name == name)?;
        (self.chosen)(&self.sources[index]).then_some(Target::Template(index))
    }
}

/// What stands in the place of a call.
enum Target<'a> {
    Template(usize),
    /// A piece of a source, and what `{{> @partial-block}}` stands for in it.
    Block(usize, Range<usize>, &'a Scope<'a>),
}

/// The content of the block that was opened before `from`, and where its closing braces end.
fn block_content(html: &str, from: usize) -> (Range<usize>, usize) {
    let mut depth = 1;
    let mut at = from;
    while let Some(start) = mustache::next(html, at) {
        let Some(found) = mustache::read(html, start) else {
            break;
        };
        at = found.end;
        match found.kind {
            Kind::Open | Kind::OpenPartial => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (from..start, found.end);
        }
    }
    (from..html.len(), html.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(list: &[(&'static str, &str)]) -> Vec<Named> {
        let named = |(name, html): &(&'static str, &str)| Named {
            name: (*name).to_owned(),
            html: (*html).to_owned(),
        };
        list.iter().map(named).collect()
    }

    #[test]
    fn layouts_and_partials_stand_where_they_are_called_and_know_where_they_come_from() {
        let sources = sources(&[
            ("main", "{{#> layout}}A{{#if x}}B{{/if}}{{> footer}}{{/layout}}!"),
            ("layout", "<b>{{> @partial-block}}</b>{{> unknown}}"),
            ("footer", "F"),
        ]);
        let flat = Flat::of(&sources, &|_| true).unwrap();
        assert_eq!(flat.text, "<b>A{{#if x}}B{{/if}}F</b>{{> unknown}}!");
        let origin = |part: &str| flat.origin(flat.text.find(part).unwrap());
        assert_eq!(
            origin("B"),
            At {
                source: 0,
                offset: 23
            }
        );
        assert_eq!(origin("F"), At { source: 2, offset: 0 });
        assert_eq!(
            origin("</b>"),
            At {
                source: 1,
                offset: 23
            }
        );
        assert_eq!(origin("!").source, 0);
    }

    #[test]
    fn what_is_not_chosen_stays_a_call() {
        let sources = sources(&[("main", "{{> a}}{{#> b}}x{{/b}}"), ("a", "A"), ("b", "B")]);
        let flat = Flat::of(&sources, &|source| source.name == "a").unwrap();
        assert_eq!(flat.text, "A{{#> b}}x{{/b}}");
    }

    #[test]
    fn what_would_grow_without_bound_is_refused() {
        let large = "x".repeat(600_000);
        let sources = sources(&[("main", &"{{> a}}".repeat(20)), ("a", &large)]);
        let error = Flat::of(&sources, &|_| true).unwrap_err();
        assert!(error.message.contains("larger than 10 MB"), "{error}");
    }
}
