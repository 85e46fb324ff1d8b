//! `cargo xtask thumbnails`: pictures of the starter newsletters for docs/starters, taken with Chromium.

use crate::workspace::{Profile, build_binary, root};
use anyhow::{Context, bail, ensure};
use std::path::Path;
use std::process::Command;

/// The pictures have half of it.
const STARTER: Picture = Picture {
    window: (680, 1000),
    scale: "0.5",
    is_dark: false,
};

/// How a picture is taken.
pub struct Picture {
    /// In CSS pixels.
    pub window: (u32, u32),
    /// Pixels of the picture for each of these.
    pub scale: &'static str,
    /// Whether the person prefers dark colours.
    pub is_dark: bool,
}

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
        let page = format!("file://{}", page.display());
        let profile = folder.path().join(format!("profile-{name}"));
        take(&page, &STARTER, &picture, &profile)?;
        eprintln!("{}", picture.display());
    }
    Ok(())
}

/// Takes a picture of a page; live ones are given four seconds. The environment variable `CHROMIUM` names the browser where it is
/// not called so.
pub fn take(page: &str, how: &Picture, picture: &Path, profile: &Path) -> anyhow::Result<()> {
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
            "--timeout=4000",
        ])
        .arg(format!("--force-device-scale-factor={}", how.scale))
        .arg(format!(
            "--blink-settings=preferredColorScheme={}",
            if how.is_dark { 0 } else { 1 }
        ))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={},{}", how.window.0, how.window.1))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(page);
    output(&mut chromium)?;
    ensure!(picture.exists(), "chromium took no picture of {page}");
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
