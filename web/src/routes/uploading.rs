//! Forms with a file (multipart/form-data, RFC 7578): the fields, and the file as a stream to the disk, never in memory.

use crate::site::Site;
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{self, Bytes};
use futures_util::{StreamExt, future, stream};
use multer::{Field, Multipart};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tidings_import::{Incoming, Purpose, UploadFault};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the rest of what is refused is read, so that the browser reads the answer.
const REST: Duration = Duration::from_secs(20);
/// Octets of a field that is no file.
const LONGEST_FIELD: usize = 4096;
/// Parts of a form at most, with its file.
const MOST_FIELDS: usize = 20;
/// What a form has besides its file, in octets, about.
const BESIDES: u64 = 64 << 10;
/// Octets that are written at once.
const WRITTEN: usize = 512 << 10;

/// A form that has come.
pub(crate) struct Uploaded {
    /// The fields that are no files.
    pub(crate) fields: HashMap<String, String>,
    /// The file's name as the browser tells it.
    pub(crate) name: String,
    /// The file.
    pub(crate) incoming: Incoming,
}

impl Uploaded {
    /// A field without white space around it; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }
}

/// Takes a form with one file, which is `owner`'s. What is refused leaves nothing behind.
pub(crate) async fn receive(
    site: &Site,
    request: &HttpRequest,
    body: web::Payload,
    (owner, purpose): (&str, Purpose),
) -> Result<Uploaded, UploadFault> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let boundary = text(CONTENT_TYPE).and_then(|kind| multer::parse_boundary(kind).ok());
    let announced = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let largest = site.importer.uploads().largest;
    let (sender, receiver) = mpsc::channel(4);
    let taken = async {
        let receiver = receiver;
        if announced.is_some_and(|octets| octets > largest + BESIDES) {
            return Err(UploadFault::TooLarge(largest));
        }
        let octets = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|octets| (octets, receiver))
        });
        let boundary = boundary.ok_or(UploadFault::BrokenOff)?;
        parse(site, Multipart::new(octets, boundary), (owner, purpose)).await
    };
    // Both at once: one hands over what comes, and goes on until it is told that nobody listens.
    let ((), taken) = future::join(hand_over(body, sender), taken).await;
    taken
}

async fn hand_over(mut body: web::Payload, sender: mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let part = match timeout(PATIENCE, body.next()).await {
            Ok(Some(Ok(octets))) => Ok(octets),
            Ok(None) => return,
            Ok(Some(Err(_))) | Err(_) => Err(ErrorKind::UnexpectedEof.into()),
        };
        let is_broken = part.is_err();
        if sender.send(part).await.is_err() {
            let rest = async { while let Some(Ok(_)) = body.next().await {} };
            // Whoever sends more than that gets no answer.
            drop(timeout(REST, rest).await);
            return;
        }
        if is_broken {
            return;
        }
    }
}

async fn parse(
    site: &Site,
    mut form: Multipart<'_>,
    whose: (&str, Purpose),
) -> Result<Uploaded, UploadFault> {
    let (mut fields, mut parts) = (HashMap::new(), 0);
    while let Some(mut field) = form.next_field().await.map_err(|_| UploadFault::BrokenOff)? {
        // Parts and not names: the same name may come again and again.
        parts += 1;
        if parts > MOST_FIELDS {
            return Err(UploadFault::BrokenOff);
        }
        if let Some(name) = field.file_name().map(str::to_owned) {
            let incoming = file(site, field, whose).await?;
            return Ok(Uploaded {
                fields,
                name,
                incoming,
            });
        }
        let name = field.name().unwrap_or_default().to_owned();
        let value = short(&mut field).await?;
        fields.insert(name, value);
    }
    Err(UploadFault::Empty)
}

async fn short(field: &mut Field<'_>) -> Result<String, UploadFault> {
    let mut value = Vec::new();
    while let Some(octets) = field.chunk().await.map_err(|_| UploadFault::BrokenOff)? {
        value.extend_from_slice(&octets);
        if value.len() > LONGEST_FIELD {
            return Err(UploadFault::BrokenOff);
        }
    }
    Ok(String::from_utf8_lossy(&value).into_owned())
}

async fn file(
    site: &Site,
    mut field: Field<'_>,
    (owner, purpose): (&str, Purpose),
) -> Result<Incoming, UploadFault> {
    let (uploads, owner) = (site.importer.uploads().clone(), owner.to_owned());
    let mut incoming = blocking(move || uploads.begin(&owner, purpose)).await?;
    let mut waiting = Vec::with_capacity(WRITTEN);
    loop {
        let octets = field.chunk().await.map_err(|_| UploadFault::BrokenOff)?;
        let is_end = octets.is_none();
        waiting.extend_from_slice(&octets.unwrap_or_default());
        if waiting.len() >= WRITTEN || (is_end && !waiting.is_empty()) {
            let written = std::mem::take(&mut waiting);
            incoming = blocking(move || {
                incoming.write(&written)?;
                Ok(incoming)
            })
            .await?;
        }
        if is_end {
            return Ok(incoming);
        }
    }
}

/// Work that touches the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UploadFault> + Send + 'static,
) -> Result<T, UploadFault> {
    web::block(work)
        .await
        .unwrap_or_else(|_| Err(UploadFault::Disk(io::Error::other("the program is stopping"))))
}
