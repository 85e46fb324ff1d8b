//! What the pages of imports show. Pure.

use crate::figures::numbers::{count, moment, none};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tidings_campaign::csv_import::Counts;
use tidings_store::imports::{ImportRecord, ImportState};

/// What the command keeps of an import so that it can be gone on with, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Job {
    #[serde(default)]
    files: Vec<JobFile>,
    /// Where rejected rows were to go, if not to the folder.
    pub(super) rejects: Option<PathBuf>,
    pub(super) folder: PathBuf,
}

#[derive(Debug, Deserialize)]
struct JobFile {
    name: String,
    sha256: String,
    octets: i64,
    #[serde(default)]
    mapping: Vec<String>,
}

impl Job {
    /// None of imports by earlier versions.
    pub(super) fn of(record: &ImportRecord) -> Option<Job> {
        serde_json::from_str(record.details.as_deref()?).ok()
    }
}

/// An import in the list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    id: i64,
    files: String,
    list: String,
    state: &'static str,
    level: &'static str,
    rows: String,
    rejected: String,
    by: String,
    at: String,
}

/// The page of one import.
#[derive(Debug, Serialize)]
pub(super) struct ImportPage {
    row: Row,
    reason: Option<String>,
    consent: Option<String>,
    ended: String,
    counts: Vec<Counted>,
    rows: String,
    files: Vec<FileView>,
    /// The rejected rows can be had from here.
    can_take_rejects: bool,
    /// Where they are, if they are elsewhere.
    rejects_at: Option<String>,
    undo: String,
    problem: Option<String>,
    /// It changes while one looks.
    pub(super) is_open: bool,
    can_stop: bool,
    can_go_on: bool,
    can_undo: bool,
    /// Taking it back was cut off.
    can_go_on_undoing: bool,
    can_take_kept: bool,
}

/// Which files of an import are there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files {
    pub(super) rejects: bool,
    pub(super) kept: bool,
}

/// How many rows something became of.
#[derive(Debug, Serialize)]
pub(super) struct Counted {
    what: &'static str,
    colour: &'static str,
    n: String,
    /// Thousandths of all rows.
    width: u64,
}

#[derive(Debug, Serialize)]
struct FileView {
    name: String,
    octets: String,
    sha256: String,
    mapping: Vec<[String; 2]>,
}

impl Row {
    /// `state`: in a word.
    pub(super) fn new(record: ImportRecord, state: &'static str) -> Row {
        Row {
            id: record.id.0,
            files: record.files,
            list: record.list,
            level: level(state),
            state,
            rows: number(record.counts.rows),
            rejected: number(record.counts.rejected),
            by: record.started_by,
            at: moment(record.started_at),
        }
    }
}

impl ImportPage {
    pub(super) fn new(record: ImportRecord, state: &'static str, has: Files, may_change: bool) -> ImportPage {
        let job = Job::of(&record).unwrap_or_default();
        let elsewhere = job.rejects.filter(|_| record.rejects_octets > 0);
        ImportPage {
            reason: record.reason.clone(),
            consent: record.consent.clone(),
            ended: record.finished_at.map_or_else(none, moment),
            rows: number(record.counts.rows),
            counts: counts(&record.counts),
            files: job.files.into_iter().map(file).collect(),
            can_take_rejects: has.rejects && may_change,
            can_take_kept: has.kept && may_change,
            problem: None,
            is_open: matches!(state, "running" | "undoing" | "interrupted"),
            can_stop: may_change && matches!(state, "running" | "interrupted"),
            can_go_on: may_change && state == "stopped",
            can_undo: may_change && matches!(state, "finished" | "stopped"),
            can_go_on_undoing: may_change && state == "half undone",
            rejects_at: elsewhere.map(|path| path.display().to_string()),
            undo: undo(&record),
            row: Row::new(record, state),
        }
    }

    pub(super) fn with_problem(self, problem: Option<String>) -> ImportPage {
        ImportPage { problem, ..self }
    }
}

fn level(state: &str) -> &'static str {
    match state {
        "finished" => "good",
        "running" | "undoing" => "info",
        "undone" => "quiet",
        _ => "warn",
    }
}

pub(super) fn number(n: u64) -> String {
    count(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Every row is in exactly one of them.
pub(super) fn counts(of: &Counts) -> Vec<Counted> {
    let all = [
        ("created", "accepted", of.created),
        ("updated", "accepted", of.updated),
        ("unchanged", "withheld", of.unchanged),
        ("duplicates of an earlier row", "withheld", of.duplicates),
        (
            "suppressed: the address must not be mailed",
            "rejected",
            of.suppressed,
        ),
        ("rejected", "rejected", of.rejected),
    ];
    let counted = |(what, colour, n): (&'static str, &'static str, u64)| Counted {
        what,
        colour,
        n: number(n),
        width: n.saturating_mul(1000) / of.rows.max(1),
    };
    all.map(counted).into()
}

fn file(file: JobFile) -> FileView {
    let rule = |rule: String| match rule.rsplit_once('=') {
        Some((column, field)) => [column.to_owned(), field.to_owned()],
        None => [rule, String::new()],
    };
    FileView {
        name: file.name,
        octets: count(file.octets),
        sha256: file.sha256,
        mapping: file.mapping.into_iter().map(rule).collect(),
    }
}

/// What taking the import back would do, and how.
fn undo(record: &ImportRecord) -> String {
    let id = record.id;
    match record.state {
        ImportState::Undone => return "This import has been taken back.".to_owned(),
        ImportState::Undoing => {
            return format!(
                "This import is being taken back. Was it cut off, `tidings import --undo {id}` goes on with it."
            );
        }
        ImportState::Running | ImportState::Stopped | ImportState::Finished => {}
    }
    let (created, updated) = (number(record.counts.created), number(record.counts.updated));
    let first = match record.state {
        ImportState::Running => "It must be stopped first. ",
        _ => "",
    };
    format!(
        "{first}The recipients that it created ({created}) would go, those that it changed ({updated}) would be as before, and \
         suppressions that came with it would be lifted. Whoever was mailed, has unsubscribed, is on another list, or was changed \
         since by others stays, and is named in a file with the reason. The command: `tidings import --undo {id}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_campaign::ids::ImportId;
    use tidings_campaign::time::Timestamp;

    fn record(state: ImportState) -> ImportRecord {
        ImportRecord {
            id: ImportId(7),
            list: "readers".into(),
            files: "people.csv".into(),
            state,
            reason: None,
            started_by: "ada".into(),
            consent: None,
            details: Some(
                r#"{"files":[{"name":"people.csv","path":"/x/people.csv","sha256":"ab","octets":1200,
                "mapping":["E-Mail=email","a=b=ignore"]}],"rejects":null,"folder":"/x"}"#
                    .into(),
            ),
            counts: Counts {
                rows: 10,
                created: 6,
                updated: 3,
                rejected: 1,
                ..Counts::default()
            },
            rejects_octets: 90,
            remarks_octets: 0,
            started_at: Timestamp(0),
            updated_at: Timestamp(0),
            finished_at: None,
        }
    }

    #[test]
    fn the_counts_of_an_import_add_up() {
        let page = ImportPage::new(
            record(ImportState::Finished),
            "finished",
            Files {
                rejects: true,
                kept: false,
            },
            true,
        );
        let widths: u64 = page.counts.iter().map(|one| one.width).sum();
        assert_eq!((widths, page.rows.as_str()), (1000, "10"));
        assert_eq!(page.files[0].mapping[0], ["E-Mail", "email"]);
        assert_eq!(page.files[0].mapping[1], ["a=b", "ignore"]);
        assert!(page.can_take_rejects && page.rejects_at.is_none());
        assert!(page.can_undo && !page.can_stop && !page.is_open);
    }

    #[test]
    fn the_page_says_what_taking_back_would_do() {
        assert!(undo(&record(ImportState::Finished)).contains("`tidings import --undo 7`"));
        assert!(undo(&record(ImportState::Running)).starts_with("It must be stopped first."));
        assert!(undo(&record(ImportState::Undone)).contains("has been taken back"));
    }
}
