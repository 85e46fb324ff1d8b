//! Section `[feedback]`.

use anyhow::{Context, ensure};
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use tidings_feedback::rules::Rules;

/// A table of rules is some kilobytes; what is longer is another file.
const LONGEST_RULES: u64 = 1024 * 1024;

/// How bounces are understood.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackSection {
    /// `rules`, `TIDINGS_FEEDBACK_RULES`: a file of rules that go before ours (docs/bounces.md).
    rules: Option<PathBuf>,
}

impl FeedbackSection {
    /// The file of rules, if one is named.
    pub fn rules_file(&self) -> Option<&Path> {
        self.rules.as_deref()
    }

    /// Our rules, with the file's before them.
    ///
    /// # Errors
    /// If the file cannot be read or is no table of rules; the message names the file and the rule or line.
    pub fn rules(&self) -> anyhow::Result<Rules> {
        let text = self.rules.as_deref().map(read).transpose()?;
        let name = || {
            format!(
                "section [feedback]: rules = {:?}",
                self.rules.as_deref().unwrap_or(Path::new(""))
            )
        };
        Rules::with(text.as_deref().unwrap_or_default()).with_context(name)
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let cannot = || format!("section [feedback]: cannot read the rules {}", file.display());
    let mut text = String::new();
    let mut opened = std::fs::File::open(file)
        .with_context(cannot)?
        .take(LONGEST_RULES + 1);
    opened.read_to_string(&mut text).with_context(cannot)?;
    ensure!(
        text.len() as u64 <= LONGEST_RULES,
        "section [feedback]: {} is longer than 1 MiB: it is no table of rules",
        file.display()
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faulty_file_of_rules_is_named_with_the_rule() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        std::fs::write(
            &file,
            "[[rule]]\nname = \"ours\"\nreason = \"gone\"\nwords = [\"left us\"]\n",
        )
        .unwrap();
        let section = FeedbackSection { rules: Some(file) };
        let error = format!("{:#}", section.rules().unwrap_err());
        for part in ["rules.toml", "\"ours\"", "\"gone\"", "userunknown"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }
}
