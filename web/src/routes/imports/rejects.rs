//! `GET /imports/{id}/rejects.csv`: the rows that were not taken.

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
use tidings_store::imports::ImportRecord;

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
    let Ok(id) = id.parse() else {
        return not_found(site, visitor).await;
    };
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let found = site.ask(async move {
        let record = store.find_import(ImportId(id)).await?;
        if let Some(record) = &record {
            let about = record.id.to_string();
            store
                .audit(&by, "took the rejected rows of an import", (&about, ""), now)
                .await?;
        }
        Ok(record)
    });
    let record = match found.await {
        Ok(record) => record,
        Err(trouble) => return failed(&site, &trouble),
    };
    let opened = record.and_then(|record| {
        let file = File::open(file_of(&record)?).ok()?;
        Some((record.id, file.take(record.rejects_octets)))
    });
    let Some((id, file)) = opened else {
        return not_found(site, visitor).await;
    };
    let body = stream::unfold(Some(file), |file| async move {
        let file = file?;
        let read = web::block(move || chunk(file)).await;
        match read.map_err(|_| Trouble::Stopping).and_then(|read| Ok(read?)) {
            Ok((octets, _)) if octets.is_empty() => None,
            Ok((octets, file)) => Some((Ok(octets), Some(file))),
            Err(trouble) => Some((Err(trouble), None)),
        }
    });
    download::csv(&format!("rejects-{id}.csv"), body)
}

/// The next octets, none at the end, and the file.
fn chunk(mut file: io::Take<File>) -> io::Result<(Bytes, io::Take<File>)> {
    let mut octets = Vec::new();
    file.by_ref().take(CHUNK).read_to_end(&mut octets)?;
    Ok((Bytes::from(octets), file))
}
