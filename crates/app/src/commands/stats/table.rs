//! Figures as rows of text.

use super::Row;
use crate::output;
use crate::rows;
use serde_json::json;
use tidings_store::bounces::Figures;

/// As a file for other programs. Rates are of what stands beside each row.
pub(super) fn csv(rows: &[(&Figures, &Figures)]) -> anyhow::Result<()> {
    let columns = [
        "key",
        "accepted",
        "bounced",
        "deferred",
        "hard",
        "soft",
        "block",
        "other",
        "complaints",
        "autoreplies",
        "unsubscribes",
        "bounce_rate",
        "complaint_rate",
        "complaint_line",
    ];
    let mut csv = rows::to_stdout(rows::Format::Csv, false, &columns)?;
    for (figures, all) in rows {
        let row = Row::of(figures, all);
        csv.add(&[
            json!(row.key),
            json!(row.accepted),
            json!(row.bounced),
            json!(row.deferred),
            json!(row.hard),
            json!(row.soft),
            json!(row.block),
            json!(row.other),
            json!(row.complaints),
            json!(row.autoreplies),
            json!(row.unsubscribes),
            json!(row.bounce_rate),
            json!(row.complaint_rate),
            json!(row.complaint_line),
        ])?;
    }
    Ok(csv.end()?)
}

/// For people, with a line for everything at the end.
pub(super) fn print(rows: &[(&Figures, &Figures)], total: &Figures) -> anyhow::Result<()> {
    output::line(format!(
        "{:<24} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10} {:>9}  {:<11} {:>11} {:>12}",
        "",
        "accepted",
        "bounced",
        "rate",
        "hard",
        "soft",
        "block",
        "deferred",
        "complaints",
        "rate",
        "",
        "autoreplies",
        "unsubscribes"
    ))?;
    for (figures, all) in rows {
        let key = if figures.key.is_empty() {
            "(not known)"
        } else {
            &figures.key
        };
        output::line(line(key, figures, all))?;
    }
    output::line(line("all", total, total))
}

fn line(key: &str, figures: &Figures, all: &Figures) -> String {
    format!(
        "{key:<24} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10} {:>9}  {:<11} {:>11} {:>12}",
        figures.accepted,
        figures.bounced(),
        percent(figures.bounce_rate(all), 1),
        figures.hard,
        figures.soft,
        figures.block,
        figures.deferred,
        figures.complaints,
        percent(figures.complaint_rate(all), 2),
        figures.complaint_line(all).to_string(),
        figures.autoreplies,
        figures.unsubscribes
    )
}

fn percent(rate: f64, decimals: usize) -> String {
    format!("{:.decimals$} %", rate * 100.0)
}
