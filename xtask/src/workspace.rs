//! Where the workspace and what it builds are.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the binary is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
}

/// The workspace's root folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
}

/// Cargo, as it was called. What it has told this program about its own package stays here: some build scripts look at
/// that, and half of the dependencies would be built anew after each plain `cargo build`.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("CARGO_PKG_") || shown.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Builds the binary and says where it is.
pub fn build_binary(profile: Profile) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", "tidings"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    if !build.status().context("cargo build")?.success() {
        bail!("the binary does not build");
    }
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    Ok(target_directory()?.join(folder).join("tidings"))
}

/// Builds the scripted relay that takes everything, and says where it is.
pub fn build_sink() -> anyhow::Result<PathBuf> {
    build_example("tidings-scripted-relay", "sink")
}

/// Builds the least that a sender can do, and says where it is.
pub fn build_writer() -> anyhow::Result<PathBuf> {
    build_example("tidings-scripted-relay", "writer")
}

/// Builds an example of a package for a release, and says where it is.
pub fn build_example(package: &str, example: &str) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", package, "--example", example]);
    if !build.status().context("cargo build")?.success() {
        bail!("the example {example} of {package} does not build");
    }
    Ok(target_directory()?.join("release/examples").join(example))
}

/// Where cargo puts what it builds.
pub fn target_directory() -> anyhow::Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cargo metadata")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("the output of cargo metadata")?;
    let folder = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names no target directory")?;
    Ok(PathBuf::from(folder))
}
