//! `POST /preview`: a newsletter as a recipient would get it, for a frame beside the fields in which it is written. Nothing is
//! changed by it.

mod asked;
mod frame;
mod gathering;

use super::body::{BodyFault, FORM, LONGEST_CONTENT, essence, whole_of};
use crate::newsletters::{Newsletters, shown_images};
use crate::people::Visitor;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
pub(crate) use asked::with_lines;
use asked::{Asked, Look};
use frame::{Frame, Images, Scheme};
use gathering::{Gathered, gather, images};
use serde::Serialize;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::message::Mailbox;
use tidings_campaign::preview::{Preview, PreviewError, stand_in_sender};
use tidings_campaign::recipient::Recipient;
use tidings_campaign::template::{Part, Rendered, TemplateError, check_source, check_subject};
use tidings_campaign::time::Timestamp;

/// What a browser may do with what is shown: images and fonts from where a mail program would get them, and nothing else. Only
/// our own pages may show it, and read in it what they are told.
const POLICY: &str = "sandbox allow-same-origin; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; font-src https: data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Why there is nothing to be seen, for a person and for the editor.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Fault {
    /// In which field: `subject`, `html`, `text`, `recipient`, `sender`; none if in no field of the form.
    part: Option<&'static str>,
    /// The template and the part of it, as `tidings template` names them; empty if it is in none.
    template: String,
    /// From 1; 0 if there is no place.
    line: usize,
    /// From 1, in characters; 0 if there is no place.
    column: usize,
    /// What is wrong and what to do.
    message: String,
    /// What else may help.
    advice: &'static str,
}

/// What the partial `preview` shows.
#[derive(Serialize)]
pub(crate) struct PreviewView {
    looks: [LookView; 5],
    recipient: String,
    /// For whom it is shown as long as nobody is named.
    nobody: &'static str,
}

#[derive(Serialize)]
struct LookView {
    word: &'static str,
    label: &'static str,
}

/// A preview for which nobody is named yet.
pub(crate) fn view(nobody: &'static str) -> PreviewView {
    let looks = [
        ("desktop", "Desktop"),
        ("phone", "Phone"),
        ("dark", "Dark"),
        ("text", "Text"),
        ("source", "Source"),
    ];
    PreviewView {
        looks: looks.map(|(word, label)| LookView { word, label }),
        recipient: String::new(),
        nobody,
    }
}

/// What the editor is told of a newsletter that can be shown.
#[derive(Serialize)]
struct Shown {
    subject: String,
    /// For whom it is shown.
    recipient: String,
    /// Whether nobody has this address.
    is_made_up: bool,
    html_octets: usize,
}

/// Why there is no preview.
enum NoPreview {
    Fault(Fault),
    Trouble(Trouble),
}

impl From<Fault> for NoPreview {
    fn from(fault: Fault) -> NoPreview {
        NoPreview::Fault(fault)
    }
}

impl From<Trouble> for NoPreview {
    fn from(trouble: Trouble) -> NoPreview {
        NoPreview::Trouble(trouble)
    }
}

impl Fault {
    /// It is in a field that is not a template.
    pub(super) fn of_field(part: &'static str, message: String) -> Fault {
        Fault {
            part: Some(part),
            template: String::new(),
            line: 0,
            column: 0,
            message,
            advice: "",
        }
    }

    /// In which field it is, if it is in one.
    pub(crate) fn part(&self) -> Option<&'static str> {
        self.part
    }

    /// As one sentence with the place.
    pub(crate) fn sentence(&self) -> String {
        match self.line {
            0 => self.message.clone(),
            line => format!(
                "{}, line {line}, column {}: {}",
                self.template, self.column, self.message
            ),
        }
    }

    /// `name`: the template that is being written.
    pub(crate) fn of_template(error: &TemplateError, name: &str) -> Fault {
        Fault {
            part: error.part_of(name).map(field_of),
            template: error.template.clone(),
            line: error.line,
            column: error.column,
            message: error.message.clone(),
            advice: "",
        }
    }

    fn of_preview(error: &PreviewError, name: &str, is_made_up: bool) -> Fault {
        let advice = match is_made_up {
            true => {
                "It was tried on a made-up person, whose values are their names in brackets. \
                Name a recipient to see it with real values."
            }
            false => "",
        };
        let fault = match error.place() {
            Some(error) => Fault::of_template(error, name),
            None => Fault {
                part: None,
                ..Fault::of_field("html", error.to_string())
            },
        };
        Fault { advice, ..fault }
    }
}

/// The field in which a part of a template is written.
fn field_of(part: Part) -> &'static str {
    match part {
        Part::Subject => "subject",
        Part::Html => "html",
        Part::Text => "text",
    }
}

/// `POST /preview`
pub(crate) async fn preview(
    site: web::Data<Site>,
    letters: web::Data<Newsletters>,
    _: Visitor,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    if essence(request.headers()) != FORM {
        return HttpResponse::UnsupportedMediaType().body("send a form: application/x-www-form-urlencoded\n");
    }
    let body = match whole_of(body, LONGEST_CONTENT).await {
        Ok(body) => body,
        Err(BodyFault::Unusable(status)) => return HttpResponse::build(status).finish(),
        Err(BodyFault::TooLate) => return HttpResponse::RequestTimeout().finish(),
    };
    let accepts = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    let is_program = accepts.is_some_and(|accepts| accepts.contains("application/json"));
    let shown = match look_at(&site, &letters.public_url, &body).await {
        Ok((merged, _)) if is_program => Ok(HttpResponse::Ok().json(merged.shown())),
        Ok((merged, look)) => merged
            .frame(&site, look)
            .await
            .map(|frame| framed(&site, StatusCode::OK, &frame)),
        Err(none) => Err(none),
    };
    match shown {
        Ok(answer) => answer,
        Err(NoPreview::Fault(fault)) if is_program => {
            HttpResponse::UnprocessableEntity().json(serde_json::json!({ "error": fault }))
        }
        Err(NoPreview::Fault(fault)) => {
            framed(&site, StatusCode::UNPROCESSABLE_ENTITY, &Frame::fault(&fault))
        }
        Err(NoPreview::Trouble(trouble)) => {
            tracing::error!("a preview failed: {trouble}");
            let said = Fault::of_field(
                "html",
                "The database does not answer. The program's log says why.".to_owned(),
            );
            framed(&site, StatusCode::SERVICE_UNAVAILABLE, &Frame::fault(&said))
        }
    }
}

fn framed(site: &Site, status: StatusCode, frame: &Frame) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_FRAME_OPTIONS, "SAMEORIGIN"))
        .content_type("text/html; charset=utf-8");
    answer.body(frame.document(site))
}

async fn look_at(site: &Site, public_url: &str, body: &[u8]) -> Result<(Merged, Look), NoPreview> {
    let asked = Asked::parse(body)?;
    let asked = on_a_thread(move || asked.checked()).await??;
    let (store, now) = (site.store.clone(), site.clock.now());
    let (wanted, look) = (asked.clone(), asked.look);
    let gathered = site
        .ask(async move { gather(&store, &wanted, now).await })
        .await?;
    let sender = sender_of(&asked, &gathered, &site.public_host)?;
    let public_url = public_url.to_owned();
    on_a_thread(move || merged(&asked, gathered?, sender, (public_url, now)))
        .await?
        .map(|merged| (merged, look))
        .map_err(NoPreview::Fault)
}

/// Compiling takes a while: MJML, styles.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, NoPreview> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| NoPreview::Trouble(Trouble::Stopping))
}

fn sender_of(asked: &Asked, gathered: &Result<Gathered, Fault>, public_host: &str) -> Result<Mailbox, Fault> {
    let of_campaign = gathered.as_ref().ok().and_then(|found| found.campaign.as_ref());
    let written = match (asked.sender.as_str(), of_campaign) {
        ("", Some(campaign)) => campaign.sender.as_str(),
        (written, _) => written,
    };
    if written.is_empty() {
        return Ok(stand_in_sender(public_host));
    }
    Mailbox::parse(written).map_err(|error| Fault::of_field("sender", format!("The sender {error}.")))
}

/// A newsletter that was merged for somebody.
struct Merged {
    parts: Rendered,
    message: Option<Vec<u8>>,
    campaign: Option<CampaignId>,
    recipient: Recipient,
    is_made_up: bool,
}

fn merged(
    asked: &Asked,
    gathered: Gathered,
    from: Mailbox,
    (public_url, now): (String, Timestamp),
) -> Result<Merged, Fault> {
    let name = asked.name.as_str();
    let campaign = gathered.campaign.as_ref().and(asked.campaign);
    let preview = Preview {
        campaign_name: gathered
            .campaign
            .as_ref()
            .map_or(name, |campaign| &campaign.name)
            .to_owned(),
        newsletter: gathered.newsletter,
        language_attribute: gathered.language_attribute,
        from,
        list_name: gathered.list_name,
        files: gathered.files,
        public_url,
        return_path_domain: None,
        sender_id: None,
    };
    let is_made_up = gathered.recipient.is_none();
    let fault = |error: &PreviewError| Fault::of_preview(error, name, is_made_up);
    let mut recipient = match gathered.recipient {
        Some(recipient) => recipient,
        None => preview.sample_person().map_err(|error| fault(&error.into()))?,
    };
    if let Some(language) = &asked.language {
        let tag = language.as_str().into();
        recipient
            .attributes
            .insert(preview.language_attribute.clone(), tag);
    }
    let parts = preview.parts(&recipient).map_err(|error| fault(&error.into()))?;
    let message = match asked.look {
        Look::Source => Some(preview.message(&recipient, now).map_err(|error| fault(&error))?),
        _ => None,
    };
    Ok(Merged {
        parts,
        message,
        campaign,
        recipient,
        is_made_up,
    })
}

impl Merged {
    fn shown(&self) -> Shown {
        Shown {
            subject: self.parts.subject.clone(),
            recipient: self.recipient.address.to_string(),
            is_made_up: self.is_made_up,
            html_octets: self.parts.html.len(),
        }
    }

    /// Reads the images that are seen in it.
    async fn frame(self, site: &Site, look: Look) -> Result<Frame, NoPreview> {
        let checked = serde_json::to_string(&self.shown()).expect("texts and numbers are plain data");
        let scheme = match look {
            Look::Desktop | Look::Phone => Scheme::Light,
            Look::Dark => Scheme::Dark,
            Look::Text => return Ok(Frame::lines(&self.parts.text, checked)),
            Look::Source => {
                let message = self.message.as_deref().unwrap_or_default();
                return Ok(Frame::lines(&String::from_utf8_lossy(message), checked));
            }
        };
        let (wanted, store) = (shown_images(&self.parts.html), site.store.clone());
        let files = match self.campaign.filter(|_| !wanted.is_empty()) {
            Some(campaign) => {
                site.ask(async move { images(&store, campaign, &wanted).await })
                    .await?
            }
            None => Vec::new(),
        };
        // Images are large once they are written as text.
        let (html, told) = (self.parts.html, checked.clone());
        let html = on_a_thread(move || frame::newsletter(&html, scheme, &Images::of(files), &told)).await?;
        Ok(match look {
            Look::Phone => Frame::phone(html, checked),
            _ => Frame::Newsletter(html),
        })
    }
}

impl Asked {
    /// What can be found out without the store: of what was written, each part alone.
    fn checked(self) -> Result<Asked, Fault> {
        let fault = |error: TemplateError| Fault::of_template(&error, &self.name);
        check_subject(&self.subject).map_err(fault)?;
        if let Some(source) = self.source() {
            check_source(&source).map_err(fault)?;
        }
        Ok(self)
    }
}
