//! `cargo xtask thumbnails`: pictures of the starter newsletters for docs/starters, taken with Chromium.

use crate::workspace::{Profile, build_binary, root};
use anyhow::{Context, bail, ensure};
use std::path::Path;
use std::process::Command;

/// In CSS pixels; the pictures have half of it.
const WINDOW: (u32, u32) = (680, 1000);

/// Renders every starter as one recipient gets it and takes its picture.
pub fn run() -> anyhow::Result<()> {
    let binary = build_binary(Profile::Debug)?;
    let folder = tempfile::Builder::new().prefix("tidings-thumbnails-").tempdir()?;
    let tidings = |arguments: &[&str]| {
        output(
            Command::new(&binary)
                .arg("--data")
                .arg(folder.path())
                .args(arguments),
        )
    };
    let people = folder.path().join("people.csv");
    std::fs::write(&people, "email,name\nann@example.org,Ann\n")?;
    tidings(&["import", &people.to_string_lossy(), "--list", "readers"])?;
    let starters: serde_json::Value = serde_json::from_slice(&tidings(&["--json", "template", "starters"])?)?;
    let pictures = root().join("docs/starters");
    std::fs::create_dir_all(&pictures)?;
    for starter in starters.as_array().context("the list of starters")? {
        let name = starter["name"].as_str().context("a starter's name")?;
        tidings(&["template", "add", name, "--starter", name])?;
        let html = tidings(&["template", "render", name, "--recipient", "ann@example.org"])?;
        let page = folder.path().join(format!("{name}.html"));
        std::fs::write(&page, html)?;
        let picture = pictures.join(format!("{name}.png"));
        take(&page, &picture, &folder.path().join(format!("profile-{name}")))?;
        eprintln!("{}", picture.display());
    }
    Ok(())
}

/// The environment variable `CHROMIUM` names the browser where it is not called so.
fn take(page: &Path, picture: &Path, profile: &Path) -> anyhow::Result<()> {
    let browser = std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
    let mut chromium = Command::new(browser);
    chromium
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-device-scale-factor=0.5",
            "--blink-settings=preferredColorScheme=1",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={},{}", WINDOW.0, WINDOW.1))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()));
    output(&mut chromium)?;
    ensure!(picture.exists(), "chromium took no picture of {}", page.display());
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
