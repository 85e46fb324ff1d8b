//! Section `[brand]`.

use anyhow::{Context, ensure};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tidings_web::{Brand, Colour, Logo};

/// Whose name the pages carry that recipients reach.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BrandSection {
    name: Option<String>,
    logo: Option<PathBuf>,
    colour: Option<String>,
    postal_address: Option<String>,
}

impl BrandSection {
    pub(super) fn check(self) -> anyhow::Result<Brand> {
        let colour = self.colour.as_deref().map(Colour::parse).transpose();
        let colour = colour.context("section [brand]")?;
        let logo = self.logo.as_deref().map(read).transpose()?;
        Brand::new(self.name, logo, colour, self.postal_address).context("section [brand]")
    }
}

fn read(file: &Path) -> anyhow::Result<Logo> {
    let name = || format!("section [brand]: logo = {file:?}");
    let opened = File::open(file).with_context(name)?;
    // A pipe would be waited for without end.
    let metadata = opened.metadata().with_context(name)?;
    ensure!(metadata.is_file(), "{}: it is not a file", name());
    let mut octets = Vec::new();
    let most = Logo::MOST_OCTETS as u64 + 1;
    opened.take(most).read_to_end(&mut octets).with_context(name)?;
    Logo::read(octets).with_context(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let section: BrandSection = toml::from_str(text).unwrap();
        section.check().map(drop).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_cannot_be_shown_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, octets: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, octets).unwrap();
            format!("logo = {path:?}")
        };
        assert_eq!(check(&file("good.png", b"\x89PNG\r\n\x1a\n")), Ok(()));
        for (text, part) in [
            (file("page.svg", b"<html>"), "no PNG, JPEG, WebP or SVG"),
            (file("large.png", &[0; 200_001]), "at most 200000"),
            ("logo = \"/nowhere/logo.png\"".to_owned(), "/nowhere/logo.png"),
            (format!("logo = {:?}", folder.path()), "not a file"),
            ("colour = \"blue\"".to_owned(), "#rrggbb"),
            (format!("name = \"{}\"", "x".repeat(101)), "100 characters"),
        ] {
            let error = check(&text).unwrap_err();
            assert!(
                error.contains(part) && error.contains("[brand]"),
                "{part} is missing in: {error}"
            );
        }
    }
}
