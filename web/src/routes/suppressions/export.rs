//! `GET /suppressions/export.csv`: all of them, as `tidings suppression export` writes them.

use crate::download;
use crate::people::Visitor;
use crate::routes::problem::failed;
use crate::site::{Site, Trouble};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use serde_json::json;
use std::io;
use tidings_campaign::rows::{Rows, Shape};
use tidings_store::suppressions::Suppression;

/// Rows that are read at once.
const PAGE: i64 = 5_000;

const COLUMNS: [&str; 4] = ["email", "reason", "evidence", "since"];

/// `GET /suppressions/export.csv`
pub(crate) async fn export(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    let (store, by, now) = (site.store.clone(), visitor.by, site.clock.now());
    let kept = site.ask(async move { store.audit(&by, "exported the suppressions", ("", ""), now).await });
    if let Err(trouble) = kept.await {
        return failed(&site, &trouble);
    }
    let reading = Reading {
        site,
        after: Some(String::new()),
    };
    let body = stream::try_unfold(reading, Reading::next);
    download::file("suppressions.csv", download::CSV, body)
}

/// How far an export is.
struct Reading {
    site: web::Data<Site>,
    /// After which comparison key it goes on; none when it is at its end.
    after: Option<String>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Reading)>, Trouble> {
        let Some(after) = self.after else {
            return Ok(None);
        };
        let (store, is_first) = (self.site.store.clone(), after.is_empty());
        let page = self
            .site
            .ask(async move { store.list_suppressions(&after, PAGE).await })
            .await?;
        let part = part(is_first, &page).expect("writing to memory cannot fail");
        self.after = page.into_iter().last().map(|last| last.who);
        Ok(Some((part.into(), self)))
    }
}

/// A part of the file; the first has the header.
fn part(is_first: bool, page: &[Suppression]) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let mut rows = match is_first {
        true => Rows::begin(&mut octets, Shape::Csv, COLUMNS)?,
        false => Rows::go_on(&mut octets, Shape::Csv, COLUMNS),
    };
    for row in page {
        let since = row.created_at.to_string();
        rows.add(&[
            json!(row.who),
            json!(row.reason),
            json!(row.evidence),
            json!(since),
        ])?;
    }
    rows.end()?;
    Ok(octets)
}
