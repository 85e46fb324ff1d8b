//! Files of rules that an operator may add to ours.

use anyhow::{Context, ensure};
use std::io::Read;
use std::path::Path;

/// A table of rules is some kilobytes; what is longer is another file.
const LONGEST: u64 = 1024 * 1024;

/// The text of the file that is named as `rules` in this section.
pub(super) fn read(section: &str, file: &Path) -> anyhow::Result<String> {
    let cannot = || format!("section [{section}]: cannot read the rules {}", file.display());
    let mut text = String::new();
    let mut opened = std::fs::File::open(file).with_context(cannot)?.take(LONGEST + 1);
    opened.read_to_string(&mut text).with_context(cannot)?;
    ensure!(
        text.len() as u64 <= LONGEST,
        "section [{section}]: {} is longer than 1 MiB: it is no table of rules",
        file.display()
    );
    Ok(text)
}
