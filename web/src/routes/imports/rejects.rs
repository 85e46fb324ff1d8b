//! `GET /imports/{id}/rejects.csv`: the rows that were not taken; `kept.csv`: what stayed when an import was taken back.

use super::view::Job;
use crate::download;
use crate::people::Visitor;
use crate::routes::problem::{failed, not_found};
use crate::site::{Site, Trouble};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use tidings_campaign::ids::ImportId;
use tidings_import::kept_file;
use tidings_store::imports::{ImportRecord, ImportState};

/// Octets that are read at once.
const CHUNK: u64 = 64 << 10;

/// The file of rejected rows in the data folder. None if no row was rejected, or if they were to go elsewhere: files of others
/// are not ours to hand out.
pub(super) fn file_of(record: &ImportRecord) -> Option<PathBuf> {
    let job = Job::of(record)?;
    (record.rejects_octets > 0 && job.rejects.is_none())
        .then(|| job.folder.join(format!("rejects-{}.csv", record.id)))
}

/// `GET /imports/{id}/rejects.csv`
pub(crate) async fn rejects(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let record = match find(&site, &id).await {
        Ok(record) => record,
        Err(trouble) => return failed(&site, &trouble),
    };
    let opened = record.and_then(|record| Some((file_of(&record)?, record)));
    let Some((path, record)) = opened else {
        return not_found(site, visitor).await;
    };
    let what = ("rejects", "took the rejected rows of an import");
    hand_out(site, visitor, record.id, (path, record.rejects_octets), what).await
}

/// `GET /imports/{id}/kept.csv`
pub(crate) async fn kept(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let record = match find(&site, &id).await {
        Ok(record) => record,
        Err(trouble) => return failed(&site, &trouble),
    };
    let found = record.and_then(|record| Some((kept_of(&site, &record)?, record.id)));
    let Some((path, id)) = found else {
        return not_found(site, visitor).await;
    };
    let what = ("kept", "took what stayed of an import");
    hand_out(site, visitor, id, (path, u64::MAX), what).await
}

/// Where it is said what stayed of an import that was taken back here.
pub(super) fn kept_of(site: &Site, record: &ImportRecord) -> Option<PathBuf> {
    (record.state == ImportState::Undone).then(|| kept_file(site.importer.folder(), record.id))
}

async fn find(site: &Site, id: &str) -> Result<Option<ImportRecord>, Trouble> {
    let Ok(id) = id.parse() else {
        return Ok(None);
    };
    let store = site.store.clone();
    site.ask(async move { store.find_import(ImportId(id)).await })
        .await
}

/// A file, up to so many octets, under a name that begins so; kept in the audit log in these words.
async fn hand_out(
    site: web::Data<Site>,
    visitor: Visitor,
    id: ImportId,
    (path, octets): (PathBuf, u64),
    (name, what): (&str, &'static str),
) -> HttpResponse {
    let Ok(Ok(file)) = web::block(move || File::open(path)).await else {
        return not_found(site, visitor).await;
    };
    let file = file.take(octets);
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let kept = site.ask(async move { store.audit(&by, what, (&id.to_string(), ""), now).await });
    if let Err(trouble) = kept.await {
        return failed(&site, &trouble);
    }
    let body = stream::unfold(Some(file), |file| async move {
        let file = file?;
        let read = web::block(move || chunk(file)).await;
        match read.map_err(|_| Trouble::Stopping).and_then(|read| Ok(read?)) {
            Ok((octets, _)) if octets.is_empty() => None,
            Ok((octets, file)) => Some((Ok(octets), Some(file))),
            Err(trouble) => Some((Err(trouble), None)),
        }
    });
    download::file(&format!("{name}-{id}.csv"), download::CSV, body)
}

/// The next octets, none at the end, and the file.
fn chunk(mut file: io::Take<File>) -> io::Result<(Bytes, io::Take<File>)> {
    let mut octets = Vec::new();
    file.by_ref().take(CHUNK).read_to_end(&mut octets)?;
    Ok((Bytes::from(octets), file))
}
