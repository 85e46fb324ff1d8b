//! `/imports/uploads/{id}`: what was found in a file, and what its columns mean; both can be corrected.

use super::columns::{self, ColumnsPage, Faults};
use crate::people::Visitor;
use crate::routes::lists;
use crate::routes::problem::{failed, not_found, see_other};
use crate::routes::uploading::blocking;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use std::io;
use tidings_import::{Upload, UploadId};

/// Octets of the form at most: some for each column.
pub(crate) const LONGEST_FORM: usize = 1 << 20;

/// The visitor's upload of this name.
pub(super) async fn find(site: &Site, visitor: &Visitor, id: &str) -> Option<Upload> {
    let id: UploadId = id.parse().ok()?;
    let (uploads, owner) = (site.importer.uploads().clone(), visitor.by.who.clone());
    blocking(move || Ok(uploads.find(&id, &owner))).await.ok()?
}

/// `GET /imports/uploads/{id}`
pub(crate) async fn columns(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    match find(&site, &visitor, &id).await {
        Some(upload) => show(&site, &visitor, StatusCode::OK, upload, Faults::default()).await,
        None => not_found(site, visitor).await,
    }
}

/// `faults`: of what was asked for.
pub(super) async fn show(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    upload: Upload,
    faults: Faults,
) -> HttpResponse {
    let names = match lists::names(site, &upload.list).await {
        Ok(names) => names,
        Err(trouble) => return failed(site, &trouble),
    };
    let title = upload.name.clone();
    let page = ColumnsPage::new(upload, names, site.importer.has_dns(), faults);
    Page::new("import_columns", &title)
        .under("/imports")
        .shown_to(visitor)
        .answer(site, status, &page)
}

/// `POST /imports/uploads/{id}`: what the person says about the file, and what is to be done with it.
pub(crate) async fn correct(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<Vec<(String, String)>>,
) -> HttpResponse {
    let Some(upload) = find(&site, &visitor, &id).await else {
        return not_found(site, visitor).await;
    };
    let (said, faults) = columns::said(&form, &upload);
    if !faults.is_none() {
        return show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, said, faults).await;
    }
    site.importer.forget_trial(&upload.id);
    let (uploads, now) = (site.importer.uploads().clone(), site.clock.now());
    let looked = blocking(move || {
        let mut upload = said;
        uploads.look(&mut upload, now)?;
        Ok(upload)
    });
    let upload = match looked.await {
        Ok(upload) => upload,
        Err(fault) => return failed(&site, &Trouble::File(io::Error::other(fault.to_string()))),
    };
    let wants_trial = form.iter().any(|(name, value)| name == "do" && value == "try");
    let here = format!("/imports/uploads/{}", upload.id);
    match (&upload.fault, wants_trial) {
        (Some(_), true) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show(&site, &visitor, status, upload, Faults::default()).await
        }
        (None, true) => {
            site.importer.try_out(&upload);
            see_other(&format!("{here}/trial"))
        }
        (_, false) => see_other(&here),
    }
}

/// `POST /imports/uploads/{id}/remove`
pub(crate) async fn remove(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    if let Some(upload) = find(&site, &visitor, &id).await {
        site.importer.forget_trial(&upload.id);
        let uploads = site.importer.uploads().clone();
        let removed = blocking(move || {
            uploads.remove(&upload.id);
            Ok(())
        });
        if let Err(fault) = removed.await {
            return failed(&site, &Trouble::File(io::Error::other(fault.to_string())));
        }
    }
    see_other("/imports/new")
}
