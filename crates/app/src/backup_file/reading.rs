//! Reading a backup, and finding out whether it is whole and as it was written.

use super::format::{End, Header, LONGEST_LINE, Record, VERSION};
use anyhow::{Context, anyhow, bail, ensure};
use data_encoding::HEXLOWER;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use tidings_store::transfer::{Sum, Value, read_line};

/// What a backup consists of, in this order.
#[derive(Debug)]
pub enum Piece<'l> {
    /// Rows of this table follow.
    Table {
        /// Its name.
        name: String,
        /// Its columns.
        columns: Vec<String>,
    },
    /// A row, as the line that it is.
    Row(&'l [u8]),
    /// Which identities are given out next.
    NextIds(BTreeMap<String, i64>),
    /// Octets of this file follow.
    File {
        /// Its name below the data folder.
        name: String,
        /// Who may read and write it.
        mode: u32,
    },
    /// Octets of a file.
    Octets(Vec<u8>),
}

/// Where in a backup we are.
enum Inside {
    Nothing,
    Table(String, Sum),
    File(String, u64, Sha256),
}

/// Reads a backup to its end, and hands over piece by piece what has not been found wrong so far. Only when this has returned,
/// all of it is known to be as it was written.
pub fn read(
    file: &Path,
    mut take: impl FnMut(Piece<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<(Header, End)> {
    let mut lines = Lines::open(file)?;
    let Some(Record::Backup(header)) = lines.first()? else {
        bail!("{} is no backup of tidings", file.display());
    };
    ensure!(
        header.tidings_backup <= VERSION,
        "the backup was made by a newer version of tidings ({}): use that version or newer",
        header.version
    );
    let mut counted = End::default();
    let mut inside = Inside::Nothing;
    loop {
        let before = lines.digest.clone();
        ensure!(lines.next()?, lines.broken("it ends too early"));
        let line = &lines.line[..];
        if line.starts_with(b"[") {
            match &mut inside {
                Inside::Table(_, sum) => {
                    sum.add(line);
                    take(Piece::Row(line))?;
                }
                Inside::File(_, octets, digest) => {
                    let chunk = octets_in(line).map_err(|problem| anyhow!(lines.broken(&problem)))?;
                    *octets += chunk.len() as u64;
                    digest.update(&chunk);
                    take(Piece::Octets(chunk))?;
                }
                Inside::Nothing => bail!(lines.broken("a row is of no table")),
            }
            continue;
        }
        let record = serde_json::from_slice(line)
            .map_err(|error| anyhow!(lines.broken(&format!("a line is not what it should be: {error}"))))?;
        inside = match (record, inside) {
            (Record::Table { name, columns }, Inside::Nothing) => {
                take(Piece::Table {
                    name: name.clone(),
                    columns,
                })?;
                Inside::Table(name, Sum::default())
            }
            (Record::EndOfTable { rows, sum: hashes }, Inside::Table(name, sum)) => {
                ensure!(
                    Sum::of(rows, &hashes) == Some(sum),
                    lines.broken(&format!(
                        "the rows of table {name} are not those that were written"
                    ))
                );
                counted.tables += 1;
                counted.rows += rows;
                Inside::Nothing
            }
            (Record::NextIds(next), Inside::Nothing) => {
                take(Piece::NextIds(next))?;
                Inside::Nothing
            }
            (Record::File { name, mode }, Inside::Nothing) => {
                take(Piece::File {
                    name: name.clone(),
                    mode,
                })?;
                Inside::File(name, 0, Sha256::new())
            }
            (Record::EndOfFile { octets, sha256 }, Inside::File(name, read, digest)) => {
                ensure!(
                    read == octets && HEXLOWER.encode(&digest.finalize()) == sha256,
                    lines.broken(&format!("the file {name} is not what was written"))
                );
                counted.files += 1;
                Inside::Nothing
            }
            (Record::End(end), Inside::Nothing) => {
                counted.sha256 = HEXLOWER.encode(&before.finalize());
                ensure!(
                    (counted.tables, counted.rows, counted.files, &counted.sha256)
                        == (end.tables, end.rows, end.files, &end.sha256),
                    lines.broken("its checksum is not that of what is in it")
                );
                ensure!(!lines.next()?, lines.broken("something stands behind its end"));
                return Ok((header, end));
            }
            _ => bail!(lines.broken("a line is not where it should be")),
        };
    }
}

fn octets_in(line: &[u8]) -> Result<Vec<u8>, String> {
    match read_line(line)?.pop() {
        Some(Value::Octets(octets)) => Ok(octets),
        _ => Err("a line of a file has no octets".to_owned()),
    }
}

/// The lines of the file.
struct Lines {
    name: String,
    inner: BufReader<MultiGzDecoder<BufReader<File>>>,
    line: Vec<u8>,
    /// Of all lines so far.
    digest: Sha256,
}

impl Lines {
    fn open(file: &Path) -> anyhow::Result<Lines> {
        let name = file.display().to_string();
        let open = File::open(file).with_context(|| format!("cannot read {name}"))?;
        Ok(Lines {
            name,
            inner: BufReader::with_capacity(256 << 10, MultiGzDecoder::new(BufReader::new(open))),
            line: Vec::new(),
            digest: Sha256::new(),
        })
    }

    /// The first line, if it is one of ours: what is no backup at all is told differently from a damaged one.
    fn first(&mut self) -> anyhow::Result<Option<Record>> {
        match self.next() {
            Ok(_) => Ok(serde_json::from_slice(&self.line).ok()),
            Err(error) if error.chain().any(|cause| cause.is::<std::io::Error>()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the next line, with its end, into `line`; false after the last.
    fn next(&mut self) -> anyhow::Result<bool> {
        self.line.clear();
        let read = (&mut self.inner)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut self.line);
        if let Err(error) = read {
            let problem = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
                _ => format!("it cannot be unpacked, {error}"),
            };
            return Err(anyhow::Error::from(error).context(self.broken(&problem)));
        }
        if self.line.is_empty() {
            return Ok(false);
        }
        ensure!(
            self.line.ends_with(b"\n"),
            self.broken("it ends too early, or a line of it is longer than a row can be")
        );
        self.digest.update(&self.line);
        Ok(true)
    }

    fn broken(&self, problem: &str) -> String {
        format!("the backup {} is damaged: {problem}", self.name)
    }
}
