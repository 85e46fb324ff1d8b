//! `tidings template render`: what one recipient would get.

use crate::context::Context;
use crate::output;
use anyhow::{Context as _, anyhow, bail};
use serde_json::json;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, ListId};
use tidings_campaign::language::Language;
use tidings_campaign::merge::MergeData;
use tidings_campaign::message::{ListIdentity, Mailbox, MessageFactory, MessageSettings};
use tidings_campaign::recipient::Recipient;
use tidings_campaign::template::{Newsletter, Templates};
use tidings_campaign::token::{KeyRing, SigningKey};
use tidings_campaign::tracking::TrackingSettings;
use tidings_store::Store;
use tidings_store::campaigns::LANGUAGE_ATTRIBUTE;
use url::{Host, Url};

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
    if args.part == ShownPart::Eml {
        return message(&args.name, &newsletter, &recipient, context);
    }
    let at = newsletter.variant_for(&recipient, LANGUAGE_ATTRIBUTE);
    let (language, content) = newsletter.variants().nth(at).context("a variant was chosen")?;
    let rendered = Templates::compile(content)
        .map_err(|error| error.in_language(language))?
        .render(&MergeData::sample(&recipient, &args.name, LIST))
        .map_err(|error| error.in_language(language))?;
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

/// The message of a campaign that does not exist: the sender is a stand-in, and no instance accepts its links.
fn message(
    name: &str,
    newsletter: &Newsletter,
    recipient: &Recipient,
    context: &Context,
) -> anyhow::Result<()> {
    let public_url = context.config.public_url.as_deref().unwrap_or(PUBLIC_URL);
    let domain = match Url::parse(public_url)?.host() {
        Some(Host::Domain(domain)) if domain.contains('.') => domain.to_owned(),
        _ => "news.example.com".to_owned(),
    };
    let mail = &context.config.mail;
    let settings = MessageSettings {
        from: Mailbox::parse(&format!("newsletter@{domain}"))?,
        reply_to: None,
        campaign: CampaignId(0),
        campaign_name: name.to_owned(),
        list: Some(ListIdentity {
            id: ListId(0),
            name: LIST.to_owned(),
        }),
        public_url: public_url.to_owned(),
        return_path_domain: mail.return_path_domain.clone().unwrap_or_else(|| domain.clone()),
        sender_id: mail.sender_id.clone().unwrap_or(domain),
        // Who looks at a newsletter wants to see where its links lead.
        tracking: TrackingSettings::off(),
    };
    let keys = KeyRing::new(vec![SigningKey {
        id: 0,
        secret: [0; 32],
    }])
    .ok_or_else(|| anyhow!("no key"))?;
    let message = MessageFactory::new(&newsletter.fallback, settings, keys)?
        .translated(&newsletter.translations, LANGUAGE_ATTRIBUTE)?
        .preview(recipient, context.clock.now())?;
    if context.json {
        return output::json(&json!({ "eml": String::from_utf8(message)? }));
    }
    output::octets(&message)
}
