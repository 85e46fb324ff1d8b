//! `/imports/new`: a file comes in.

use crate::figures::numbers::{count, moment};
use crate::people::Visitor;
use crate::routes::lists::{self, ListName};
use crate::routes::problem::{failed, see_other};
use crate::routes::uploading::{blocking, receive};
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tidings_import::{Purpose, Upload, UploadFault};

/// Letters of what is said about consent.
const LONGEST_CONSENT: usize = 300;

#[derive(Default, Serialize)]
struct NewPage {
    lists: Vec<ListName>,
    has_lists: bool,
    waiting: Vec<Waiting>,
    largest: u64,
    too_large: String,
    limit: String,
    new_list: String,
    consent: String,
    list_fault: Option<&'static str>,
    consent_fault: Option<&'static str>,
    fault: Option<String>,
}

/// A file that was uploaded and not imported.
#[derive(Serialize)]
struct Waiting {
    id: String,
    name: String,
    octets: String,
    list: String,
    at: String,
}

/// `GET /imports/new`
pub(crate) async fn new(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, StatusCode::OK, NewPage::default()).await
}

async fn show(site: &Site, visitor: &Visitor, status: StatusCode, mut page: NewPage) -> HttpResponse {
    page.lists = match lists::names(site, &page.new_list).await {
        Ok(names) => names,
        Err(trouble) => return failed(site, &trouble),
    };
    page.has_lists = !page.lists.is_empty();
    if page.lists.iter().any(|list| list.is_chosen) {
        page.new_list.clear();
    }
    let (uploads, owner) = (site.importer.uploads().clone(), visitor.by.who.clone());
    page.largest = uploads.largest;
    page.limit = format!("at most {} MiB", uploads.largest >> 20);
    page.too_large = UploadFault::TooLarge(uploads.largest).to_string();
    let waiting = blocking(move || Ok(uploads.of(&owner))).await;
    page.waiting = waiting
        .unwrap_or_default()
        .into_iter()
        .map(waiting_view)
        .collect();
    Page::new("import_new", "New import")
        .under("/imports")
        .shown_to(visitor)
        .answer(site, status, &page)
}

fn waiting_view(upload: Upload) -> Waiting {
    Waiting {
        id: upload.id.to_string(),
        name: upload.name,
        octets: count(i64::try_from(upload.octets).unwrap_or(i64::MAX)),
        list: upload.list,
        at: moment(upload.at),
    }
}

/// `POST /imports/uploads`: leads to what was found in the file.
pub(crate) async fn upload(
    site: web::Data<Site>,
    visitor: Visitor,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let uploaded = match receive(&site, &request, body, (&visitor.by.who, Purpose::Import)).await {
        Ok(uploaded) => uploaded,
        Err(fault) => return refused(&site, &visitor, &fault, NewPage::default()).await,
    };
    let list = match uploaded.field("list") {
        "" => uploaded.field("new_list"),
        list => list,
    };
    let page = NewPage {
        new_list: list.to_owned(),
        consent: uploaded.field("consent").to_owned(),
        ..NewPage::default()
    };
    let is_long = page.consent.chars().count() > LONGEST_CONSENT;
    let page = NewPage {
        list_fault: lists::name_fault(list),
        consent_fault: is_long.then_some("Say it in at most 300 letters."),
        ..page
    };
    if page.list_fault.is_some() || page.consent_fault.is_some() {
        let said = "Nothing was uploaded: look at the field that is marked, and choose the file once more.";
        let page = NewPage {
            fault: Some(said.to_owned()),
            ..page
        };
        return show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, page).await;
    }
    let (uploads, owner, now) = (
        site.importer.uploads().clone(),
        visitor.by.who.clone(),
        site.clock.now(),
    );
    let (list, consent) = (page.new_list.clone(), page.consent.clone());
    let kept = blocking(move || {
        let consent = Some(consent.as_str()).filter(|text| !text.is_empty());
        uploads.finish(uploaded.incoming, (&owner, &uploaded.name), (&list, consent), now)
    });
    let upload = match kept.await {
        Ok(upload) => upload,
        Err(fault) => return refused(&site, &visitor, &fault, page).await,
    };
    let (store, by, name) = (site.store.clone(), visitor.by.clone(), upload.name.clone());
    let audited = site.ask(async move { store.audit(&by, "uploaded a file", (&name, ""), now).await });
    if let Err(trouble) = audited.await {
        return failed(&site, &trouble);
    }
    see_other(&format!("/imports/uploads/{}", upload.id))
}

async fn refused(site: &Site, visitor: &Visitor, fault: &UploadFault, page: NewPage) -> HttpResponse {
    let page = NewPage {
        fault: Some(fault.to_string()),
        ..page
    };
    show(site, visitor, status_of(fault), page).await
}

/// What an answer says of a file that was not taken.
pub(crate) fn status_of(fault: &UploadFault) -> StatusCode {
    match fault {
        UploadFault::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        UploadFault::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        UploadFault::Empty => StatusCode::UNPROCESSABLE_ENTITY,
        UploadFault::BrokenOff => StatusCode::BAD_REQUEST,
        UploadFault::TooMany => StatusCode::CONFLICT,
        UploadFault::Disk(error) => {
            tracing::error!("an upload cannot be kept: {error}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
