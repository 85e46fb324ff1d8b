//! `cargo xtask test`: everything that the tests need, then the tests, then nothing left behind.

use crate::components::{self, Component};
use crate::failures::Failures;
use crate::postgres::Cluster;
use crate::unpacked::Unpacked;
use crate::workspace::{self, Profile};
use anyhow::{Context, bail};
use std::io::BufReader;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What the tests printed last is waited for so long.
const LAST_LINES: Duration = Duration::from_secs(10);

/// Which tests are run; empty means all.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selection {
    packages: Vec<String>,
    filters: Vec<String>,
}

impl Selection {
    /// Reads `[-p PACKAGE]... [FILTER]...`.
    pub fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut selection = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "-p" | "--package" => {
                    let package = words
                        .next()
                        .with_context(|| format!("{word} needs the name of a package"))?;
                    selection.packages.push((*package).to_owned());
                }
                option if option.starts_with('-') => {
                    bail!("`{option}` is not an option of `cargo xtask test`")
                }
                filter => selection.filters.push(filter.to_owned()),
            }
        }
        Ok(selection)
    }

    fn cargo_arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["test", "--no-fail-fast"];
        match self.packages.as_slice() {
            [] => arguments.push("--workspace"),
            packages => arguments.extend(packages.iter().flat_map(|package| ["--package", package])),
        }
        arguments.push("--");
        arguments.extend(self.filters.iter().map(String::as_str));
        arguments
    }
}

/// Runs the selected tests. An absent component is a failure, never a skip.
pub fn run(selection: &Selection) -> anyhow::Result<()> {
    let phase = Phase::begin("components");
    components::require(&Component::ALL)?;
    let exim = Unpacked::Exim.require()?;
    let opensmtpd = Unpacked::OpenSmtpd.require()?;
    phase.end();

    let phase = Phase::begin("binary");
    let binary = workspace::build_binary(Profile::Debug)?;
    phase.end();

    let phase = Phase::begin("PostgreSQL");
    let initdb = components::find("initdb")
        .context("initdb not found")?
        .canonicalize()?;
    let mut cluster = Cluster::start()?;
    phase.end();

    let phase = Phase::begin("tests");
    // A process group of its own, so that the cluster's keeper can end the tests with everything they started.
    let mut tests = workspace::cargo()
        .args(selection.cargo_arguments())
        .env("TIDINGS_TEST_POSTGRES", cluster.url())
        .env(
            "TIDINGS_TEST_POSTGRES_PROGRAMS",
            initdb.parent().context("the folder of initdb")?,
        )
        .env("TIDINGS_TEST_BINARY", binary)
        .env("TIDINGS_TEST_EXIM", exim)
        .env("TIDINGS_TEST_OPENSMTPD", opensmtpd)
        .env("TMPDIR", cluster.temporary_folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cargo test")?;
    let printed = tests.stdout.take().context("the output of cargo test")?;
    let (read, all_read) = mpsc::channel();
    std::thread::spawn(move || read.send(Failures::read(BufReader::new(printed), std::io::stdout())));
    let status = cluster.wait_for(&mut tests).context("cargo test")?;
    // Something that a failing test has left behind may keep the pipe open.
    let failures = all_read.recv_timeout(LAST_LINES);
    phase.end();

    drop(cluster);
    if !status.success() {
        if let Ok(Ok(failures)) = failures {
            eprintln!("xtask: what was said of those that failed:\n{}", failures.said());
        }
        bail!("tests failed");
    }
    Ok(())
}

/// A line on stderr when a phase begins and one when it is done.
struct Phase {
    name: &'static str,
    begun: Instant,
}

impl Phase {
    fn begin(name: &'static str) -> Self {
        eprintln!("xtask: {name} …");
        Self {
            name,
            begun: Instant::now(),
        }
    }

    fn end(self) {
        eprintln!(
            "xtask: {}: done in {:.1} s",
            self.name,
            self.begun.elapsed().as_secs_f64()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_words_every_test_of_the_workspace_is_run() {
        assert_eq!(
            Selection::parse(&[]).unwrap().cargo_arguments(),
            ["test", "--no-fail-fast", "--workspace", "--"]
        );
    }

    #[test]
    fn packages_and_filters_narrow_the_run() {
        let selection = Selection::parse(&["-p", "tidings-store", "lease", "import"]).unwrap();
        assert_eq!(
            selection.cargo_arguments(),
            [
                "test",
                "--no-fail-fast",
                "--package",
                "tidings-store",
                "--",
                "lease",
                "import"
            ]
        );
    }

    #[test]
    fn an_option_that_does_not_exist_is_refused() {
        assert!(Selection::parse(&["--fast"]).is_err());
    }
}
