//! `GET /suppressions/export.csv`: all of them, as `tidings suppression export` writes them.

use crate::download;
use crate::people::Visitor;
use crate::routes::problem::failed;
use crate::site::{Site, Trouble};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use tidings_campaign::spreadsheet_safe::spreadsheet_safe;
use tidings_store::suppressions::Suppression;

/// Rows that are read at once.
const PAGE: i64 = 5_000;

/// Where the export is.
enum At {
    Header,
    /// After this comparison key.
    After(String),
}

/// `GET /suppressions/export.csv`
pub(crate) async fn export(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    let (store, by, now) = (site.store.clone(), visitor.by, site.clock.now());
    let kept = site.ask(async move { store.audit(&by, "exported the suppressions", ("", ""), now).await });
    if let Err(trouble) = kept.await {
        return failed(&site, &trouble);
    }
    let body = stream::unfold((site, Some(At::Header)), |(site, at)| async move {
        let part = match at? {
            At::Header => Ok(Some((
                line(&["email", "reason", "evidence", "since"]),
                String::new(),
            ))),
            At::After(key) => page(&site, key).await,
        };
        match part {
            Ok(Some((text, last))) => Some((Ok(Bytes::from(text)), (site, Some(At::After(last))))),
            Ok(None) => None,
            // The connection is cut off, so that nobody takes a part for the whole.
            Err(trouble) => Some((Err(trouble), (site, None))),
        }
    });
    download::csv("suppressions.csv", body)
}

/// Rows after this key, and the key of the last one; none if there are no more.
async fn page(site: &Site, after: String) -> Result<Option<(String, String)>, Trouble> {
    let store = site.store.clone();
    let rows = site
        .ask(async move { store.list_suppressions(&after, PAGE).await })
        .await?;
    let text = rows.iter().map(row).collect();
    Ok(rows.into_iter().last().map(|last| (text, last.who)))
}

fn row(row: &Suppression) -> String {
    line(&[&row.who, &row.reason, &row.evidence, &row.created_at.to_string()])
}

/// A line of CSV (RFC 4180), safe in a spreadsheet.
fn line(cells: &[&str]) -> String {
    let cells = cells.iter().map(|cell| {
        let cell = spreadsheet_safe(cell);
        match cell.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.into_owned(),
        }
    });
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_stays_one_cell_and_becomes_no_formula() {
        assert_eq!(
            line(&["=a@example.org", "by_hand", "550 \"no\", gone", ""]),
            "'=a@example.org,by_hand,\"550 \"\"no\"\", gone\",\n"
        );
    }
}
