//! `tidings template render`: what one recipient would get.

use crate::context::Context;
use crate::output;
use anyhow::{anyhow, bail};
use serde_json::json;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::language::Language;
use tidings_campaign::preview::{Preview, stand_in_sender};
use tidings_campaign::recipient::Recipient;
use tidings_campaign::template::Newsletter;
use tidings_store::Store;
use tidings_store::campaigns::LANGUAGE_ATTRIBUTE;
use url::Url;

/// What is to be shown to whom.
#[derive(clap::Args, Clone, Debug)]
pub struct RenderArgs {
    /// The template's name.
    name: String,
    /// The recipient whose data is merged.
    #[arg(long, value_name = "ADDRESS")]
    recipient: String,
    /// As if this were the recipient's language.
    #[arg(long, value_name = "TAG")]
    language: Option<Language>,
    /// Which part; with --json there are always subject, HTML and text.
    #[arg(long, value_enum, default_value = "html")]
    part: ShownPart,
}

/// A part of a newsletter.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownPart {
    /// The HTML.
    Html,
    /// The text.
    Text,
    /// The subject.
    Subject,
    /// The whole message with its header, as a file for mail programs.
    Eml,
}

/// There is no campaign and no list yet, hence names for them.
pub(super) const LIST: &str = "list";
const PUBLIC_URL: &str = "https://news.example.com";

/// Shows the part.
pub(super) async fn run(args: RenderArgs, store: &Store, context: &Context) -> anyhow::Result<()> {
    let newsletter = super::load(&args.name, None, store).await?;
    let address = EmailAddress::parse(&args.recipient)
        .map_err(|error| anyhow!("--recipient: the address {} {error}", args.recipient))?;
    let Some(mut recipient) = store.find_recipient(&address).await? else {
        bail!("there is no recipient {address}: import one first");
    };
    if let Some(language) = args.language {
        recipient
            .attributes
            .insert(LANGUAGE_ATTRIBUTE.to_owned(), language.as_str().into());
    }
    let preview = preview(&args.name, newsletter, context)?;
    if args.part == ShownPart::Eml {
        return message(&preview, &recipient, context);
    }
    let rendered = preview.parts(&recipient)?;
    if context.json {
        let (subject, html, text) = (rendered.subject, rendered.html, rendered.text);
        return output::json(&json!({ "subject": subject, "html": html, "text": text }));
    }
    let part = match args.part {
        ShownPart::Text => rendered.text,
        ShownPart::Subject => rendered.subject,
        ShownPart::Html | ShownPart::Eml => rendered.html,
    };
    output::line(part.replace("\r\n", "\n").trim_end())
}

/// There is no campaign yet: the sender is a stand-in, and no instance accepts the links.
fn preview(name: &str, newsletter: Newsletter, context: &Context) -> anyhow::Result<Preview> {
    let public_url = context.config.public_url.as_deref().unwrap_or(PUBLIC_URL);
    let parsed = Url::parse(public_url)?;
    let mail = &context.config.mail;
    Ok(Preview {
        newsletter,
        language_attribute: LANGUAGE_ATTRIBUTE.to_owned(),
        from: stand_in_sender(parsed.host_str().unwrap_or_default()),
        campaign_name: name.to_owned(),
        list_name: LIST.to_owned(),
        files: None,
        public_url: public_url.to_owned(),
        return_path_domain: mail.return_path_domain.clone(),
        sender_id: mail.sender_id.clone(),
    })
}

fn message(preview: &Preview, recipient: &Recipient, context: &Context) -> anyhow::Result<()> {
    let message = preview.message(recipient, context.clock.now())?;
    if context.json {
        return output::json(&json!({ "eml": String::from_utf8(message)? }));
    }
    output::octets(&message)
}
