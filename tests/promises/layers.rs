//! Dependencies point one way; the pure crates stay pure.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Which of our crates each crate may use directly or through others, besides what its own dependencies may.
const LAYERS: [(&str, &[&str]); 11] = [
    ("tidings-campaign", &[]),
    ("tidings-feedback", &["tidings-campaign"]),
    ("tidings-store", &["tidings-campaign", "tidings-feedback"]),
    (
        "tidings-sender",
        &[
            "tidings-campaign",
            "tidings-dns",
            "tidings-feedback",
            "tidings-store",
        ],
    ),
    (
        "tidings-intake",
        &["tidings-campaign", "tidings-feedback", "tidings-store"],
    ),
    (
        "tidings-import",
        &[
            "tidings-campaign",
            "tidings-dns",
            "tidings-feedback",
            "tidings-store",
        ],
    ),
    (
        "tidings-web",
        &[
            "tidings-campaign",
            "tidings-dns",
            "tidings-feedback",
            "tidings-import",
            "tidings-store",
        ],
    ),
    (
        "tidings-preflight",
        &[
            "tidings-campaign",
            "tidings-dns",
            "tidings-store",
            "tidings-sender",
        ],
    ),
    ("tidings-dns", &[]),
    ("tidings-scripted-relay", &[]),
    (
        "tidings",
        &[
            "tidings-campaign",
            "tidings-dns",
            "tidings-feedback",
            "tidings-import",
            "tidings-store",
            "tidings-sender",
            "tidings-intake",
            "tidings-preflight",
            "tidings-web",
            "tidings-scripted-relay",
        ],
    ),
];

/// What reaches sockets, disks or clocks of its own accord.
const NOT_PURE: [&str; 6] = [
    "tokio",
    "sqlx",
    "lettre",
    "actix-web",
    "rustls",
    "hickory-resolver",
];

type Edges = BTreeMap<String, BTreeSet<String>>;

/// The direct dependencies of every crate of the workspace, without those for tests alone.
fn edges() -> Edges {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| (name(package), direct_dependencies(package)))
        .collect()
}

fn direct_dependencies(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|dependency| dependency["kind"] != "dev")
        .map(name)
        .collect()
}

fn name(named: &Value) -> String {
    named["name"].as_str().unwrap().to_owned()
}

#[test]
fn dependencies_between_our_crates_point_one_way() {
    let edges = edges();
    for (krate, allowed) in LAYERS {
        let ours = edges[krate]
            .iter()
            .filter(|dependency| edges.contains_key(*dependency));
        let wrong: Vec<_> = ours
            .filter(|dependency| !allowed.contains(&dependency.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{krate} must not depend on {wrong:?}");
    }
}

#[test]
fn every_crate_of_the_product_has_its_layer() {
    let beside_the_product = ["tidings-tests", "xtask"];
    for krate in edges().keys() {
        let known =
            LAYERS.iter().any(|(name, _)| name == krate) || beside_the_product.contains(&krate.as_str());
        assert!(known, "{krate} has no place in the layers: see ARCHITECTURE.md");
    }
}

#[test]
fn campaign_and_feedback_are_pure() {
    let edges = edges();
    for krate in ["tidings-campaign", "tidings-feedback"] {
        let impure: Vec<_> = NOT_PURE
            .iter()
            .filter(|name| edges[krate].contains(**name))
            .collect();
        assert!(impure.is_empty(), "{krate} must not depend on {impure:?}");
    }
}
