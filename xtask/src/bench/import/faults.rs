//! A file in which one row of a hundred has a fault, and whether each is told.

use anyhow::{Context, ensure};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Faulty rows, each with what must stand in the reason for its rejection.
fn faults() -> Vec<(Vec<u8>, &'static str)> {
    let text = |row: &str| row.as_bytes().to_vec();
    let long_local = format!("{}@example.org,Long,2026-01-31,7", "a".repeat(65));
    let long_domain = format!("ann@{}.org,Long,2026-01-31,7", "a".repeat(64));
    let long = format!("ann@{}example.org,Long,2026-01-31,7", "abcdefgh.".repeat(40));
    vec![
        (text(",Nobody,2026-01-31,7"), "address"),
        (text("no address,Nobody,2026-01-31,7"), "address"),
        (text("@example.org,Nobody,2026-01-31,7"), "address"),
        (text("ann@,Nobody,2026-01-31,7"), "address"),
        (text("ann@localhost,Nobody,2026-01-31,7"), "no dot in its domain"),
        (text("ann@exa mple.org,Nobody,2026-01-31,7"), "address"),
        (text("ann bee@example.org,Nobody,2026-01-31,7"), "address"),
        (text("ann@example..org,Nobody,2026-01-31,7"), "address"),
        (text("ann@-example-.org,Nobody,2026-01-31,7"), "address"),
        (text("a@b@example.org,Nobody,2026-01-31,7"), "address"),
        (text(&long_local), "address"),
        (text(&long_domain), "address"),
        (text(&long), "address"),
        (text("ann@example.org,Short,2026-01-31"), "fields, expected 4"),
        (
            text("ann@example.org,Long,2026-01-31,7,more"),
            "fields, expected 4",
        ),
        (
            text("ann@example.org,\"Open,2026-01-31,7"),
            "opened and not closed",
        ),
        (text("ann@example.org,No day,2026-02-30,7"), "is not a date"),
        (text("ann@example.org,No date,yesterday,7"), "is not a date"),
        (
            text("ann@example.org,No number,2026-01-31,seven"),
            "is not a number",
        ),
        (b"ann@example.org,N\0L,2026-01-31,7".to_vec(), "NUL"),
        (b"ann@example.org,Bad \xff\xfe,2026-01-31,7".to_vec(), "not valid"),
    ]
}

/// Writes a file of `rows` rows with a fault in each hundredth. Returns how many there are.
pub fn write(file: &Path, rows: usize) -> anyhow::Result<usize> {
    let faults = faults();
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "email,name,since,points")?;
    let mut n = 0;
    let mut row = String::new();
    for i in 0..rows {
        if i % 100 == 50 {
            out.write_all(&faults[n % faults.len()].0)?;
            out.write_all(b"\n")?;
            n += 1;
            continue;
        }
        row.clear();
        writeln!(
            row,
            "reader{i}@example{}.test,Läser {i},2026-01-{:02},{}",
            i % 50,
            i % 28 + 1,
            i % 1000
        )?;
        out.write_all(row.as_bytes())?;
    }
    out.flush()?;
    Ok(n)
}

/// Whether the file of rejects tells every fault, each with its line and its reason. Returns how many kinds there are.
pub fn check(rejects: &Path, rows: usize) -> anyhow::Result<usize> {
    let faults = faults();
    let mut reader = csv::ReaderBuilder::new().from_path(rejects)?;
    let expected = (0..rows).filter(|i| i % 100 == 50);
    let mut told = BTreeSet::new();
    let mut records = reader.byte_records();
    for (at, i) in expected.enumerate() {
        let record = records.next().context("a fault was not told")??;
        let field = |n: usize| String::from_utf8_lossy(record.get(n).unwrap_or_default()).into_owned();
        let (_, words) = &faults[at % faults.len()];
        let (line, reason) = (field(0), field(1));
        ensure!(
            line == (i + 2).to_string() && reason.contains(words),
            "line {}: expected `{words}`, told is line {line}: {reason}",
            i + 2
        );
        told.insert(at % faults.len());
    }
    ensure!(records.next().is_none(), "rows were rejected that have no fault");
    Ok(told.len())
}
