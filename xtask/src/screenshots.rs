//! `cargo xtask screenshots`: pictures of the dashboard for the README, taken with Chromium of a demo that is sending.

use crate::thumbnails::{Picture, take};
use crate::workspace::{Profile, build_binary, root};
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// In CSS pixels, and in those of the pictures.
const WINDOW: (u32, u32) = (1280, 800);
/// Enough for a demo to send for a minute and a half.
const RECIPIENTS: &str = "9000";
/// Until the charts have something to show.
const PATIENCE: Duration = Duration::from_secs(45);

/// What pictures are taken of: their names, the pages, and whether in dark.
const PICTURES: [(&str, &str, bool); 2] = [("now", "", false), ("campaign", "campaigns/1", true)];

/// Takes them all.
pub fn run() -> anyhow::Result<()> {
    let binary = build_binary(Profile::Debug)?;
    let mut demo = Command::new(binary);
    demo.args(["demo", "--recipients", RECIPIENTS, "--port", "0"])
        .stdout(Stdio::piped());
    let mut demo = Demo(demo.spawn().context("tidings demo")?);
    let output = demo.0.stdout.take().context("the output of the demo")?;
    let mut lines = BufReader::new(output).lines();
    let address = loop {
        let Some(line) = lines.next().transpose()? else {
            bail!("the demo has ended without saying where its dashboard is");
        };
        if let Some(address) = line.strip_prefix("dashboard: ") {
            break address.to_owned();
        }
    };
    // What it says is read to the end, so that it never waits for us.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    eprintln!("{address} is left to send for a while");
    std::thread::sleep(PATIENCE);
    let folder = tempfile::Builder::new()
        .prefix("tidings-screenshots-")
        .tempdir()?;
    let pictures = root().join("docs/images");
    std::fs::create_dir_all(&pictures)?;
    for (name, page, is_dark) in PICTURES {
        let file = pictures.join(format!("{name}.png"));
        let picture = Picture {
            window: WINDOW,
            scale: "1",
            is_dark,
        };
        take(
            &format!("{address}{page}"),
            &picture,
            &file,
            &folder.path().join(name),
        )?;
        eprintln!("{}", file.display());
    }
    Ok(())
}

/// A demo that ends with the pictures.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
