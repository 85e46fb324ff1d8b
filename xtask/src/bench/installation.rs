//! A fresh installation of the release build, with recipients of our own making.

use super::meter::EndedAtDrop;
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const CITIES: [&str; 8] = [
    "Springfield",
    "Riverton",
    "Fairview",
    "Greenville",
    "Bristol",
    "Clinton",
    "Salem",
    "Georgetown",
];
const PLANS: [&str; 3] = ["basic", "plus", "premium"];

/// The section of a relay without TLS.
pub fn relay(at: SocketAddr, sessions: usize) -> String {
    format!(
        "[[relay]]\nname = \"sink{}\"\nurl = \"smtp://{at}?tls=never\"\nmax_sessions = {sessions}\n\n",
        at.port()
    )
}

/// The binary with a data folder that is gone afterwards.
pub struct Installation {
    binary: PathBuf,
    folder: TempDir,
    /// The URL of another database than its own file.
    database: Option<String>,
}

impl Installation {
    /// An installation of this binary, with these sections of the configuration.
    pub fn new(binary: &Path, sections: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidings-bench-").tempdir()?;
        let text =
            format!("public_url = \"https://news.example.com\"\n\n{sections}\n[dns]\nenabled = false\n");
        std::fs::write(folder.path().join("tidings.toml"), text)?;
        Ok(Self {
            binary: binary.to_owned(),
            folder,
            database: None,
        })
    }

    /// The same, with this database.
    pub fn with_database(self, url: String) -> Self {
        Self {
            database: Some(url),
            ..self
        }
    }

    /// The URL of its database, if that is not its own file.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command line of the binary, with `--json`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--data").arg(self.folder()).arg("--json");
        if let Some(url) = &self.database {
            command.args(["--database", url]);
        }
        command.args(arguments);
        command
    }

    /// Runs a command and reads what it prints.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let output = self.command(arguments).output()?;
        if !output.status.success() {
            bail!(
                "tidings {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        if output.stdout.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("the output of tidings {}", arguments.join(" ")))
    }

    /// Starts the server; returns when it listens, with the address of its pages.
    pub fn serve(&self) -> anyhow::Result<(EndedAtDrop, SocketAddr)> {
        let mut server = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("tidings serve")?;
        let stdout = server.stdout.take().context("the output of `serve`")?;
        let server = EndedAtDrop(server);
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line)? == 0 {
            bail!("`serve` ended at its start");
        }
        let said: serde_json::Value = serde_json::from_str(&line).context("what `serve` says")?;
        let url = said["dashboard"].as_str().context("`serve` names no dashboard")?;
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse();
        Ok((server, address.context("the dashboard's address")?))
    }

    /// Imports `recipients` recipients and creates a campaign of 10 KB for them; returns its id.
    pub fn campaign(&self, recipients: usize) -> anyhow::Result<String> {
        let file = self.folder().join("recipients.csv");
        write_recipients(&file, recipients)?;
        self.campaign_to(&file)
    }

    /// The same, to the recipients in this file, which is gone afterwards.
    pub fn campaign_to(&self, file: &Path) -> anyhow::Result<String> {
        self.run(&["import", &file.to_string_lossy(), "--list", "readers"])?;
        std::fs::remove_file(file)?;
        let html = self.folder().join("newsletter.html");
        std::fs::write(&html, newsletter())?;
        self.run(&["template", "add", "newsletter", "--html", &html.to_string_lossy()])?;
        self.draft("readers")
    }

    /// Creates a campaign with that newsletter to this list; returns its id.
    pub fn draft(&self, list: &str) -> anyhow::Result<String> {
        let created = self.run(&[
            "campaign",
            "create",
            "--name",
            "Benchmark",
            "--list",
            list,
            "--template",
            "newsletter",
            "--subject",
            "News for {{name}}",
            "--from",
            "Example News <news@example.com>",
        ])?;
        Ok(created["id"]
            .as_i64()
            .context("`campaign create` prints no id")?
            .to_string())
    }
}

/// Writes a CSV of four columns: e-mail, name, city, plan.
pub fn write_recipients(file: &Path, recipients: usize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "email,name,city,plan")?;
    for i in 0..recipients {
        let (city, plan) = (CITIES[i % CITIES.len()], PLANS[i % PLANS.len()]);
        writeln!(
            out,
            "reader{i}@example{}.test,Reader Number {i},{city},{plan}",
            i % 50
        )?;
    }
    out.flush()?;
    Ok(())
}

/// 10 KB of HTML with the name and two attributes merged and five links.
fn newsletter() -> String {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html><head><title>News</title></head>\n<body style=\"font-family: sans-serif\">\n\
         <h1>Dear {{name}},</h1>\n<p>as a reader in {{city}} with the plan {{plan}} you get this first.</p>\n",
    );
    for link in 1..=4 {
        html.push_str(&format!(
            "<p><a href=\"https://news.example.com/article/{link}\">Read article {link}</a></p>\n"
        ));
    }
    let closing = "<p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></p>\n</body></html>\n";
    let paragraph = "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\"><tr>\
                     <td style=\"padding: 0 24px 16px 24px; font-family: Helvetica, Arial, sans-serif; \
                     font-size: 16px; line-height: 24px; color: #333333\">The river rose in the night and was back in \
                     its bed by noon; nobody in the valley had expected anything else of it.</td></tr></table>\n";
    while html.len() + paragraph.len() + closing.len() <= 10_240 {
        html.push_str(paragraph);
    }
    html + closing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newsletter_is_ten_kilobytes_with_five_links() {
        let html = newsletter();
        assert!((10_000..=10_240).contains(&html.len()), "{}", html.len());
        assert_eq!(html.matches("<a href").count(), 5);
    }
}
