//! `{{#preheader}}…{{/preheader}}`: the line that an inbox shows after the subject. It stands at the top of the HTML,
//! hidden, and is not in the text part.

use handlebars::{Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, Renderable};

/// What stands before the line: hidden in all clients that show HTML, Outlook among them.
pub(in crate::template) const BEFORE: &str = "<div style=\"display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;\
    opacity:0;overflow:hidden;mso-hide:all\">";

/// What stands after it: characters that take room and show nothing, so that the inbox does not go on with the first
/// words of the newsletter. As many as a long preview line has; in lines short enough for mail.
pub(in crate::template) fn after() -> String {
    const FILLER: &str = "&#847;&zwnj;&nbsp;";
    const LINES: usize = 5;
    const IN_A_LINE: usize = 30;
    let line = format!("\n{}", FILLER.repeat(IN_A_LINE));
    format!("{}\n</div>", line.repeat(LINES))
}

/// The helper.
pub(in crate::template) struct Preheader;

impl HelperDef for Preheader {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rendering: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        out.write(BEFORE)?;
        if let Some(line) = helper.template() {
            line.render(registry, context, rendering, out)?;
        }
        Ok(out.write(&after())?)
    }
}
