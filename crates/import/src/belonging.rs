//! Which files of a data folder are those of imports.

use crate::row_file::{REJECTS, REMARKS};
use crate::undo::KEPT;
use crate::uploads::{COMING, INCOMING, UPLOADS};
use std::path::{Component, Path};

/// Whether a file of this name, below the data folder, belongs to imports: uploads that wait, what is being imported, and what
/// imports rejected, remarked on or kept. What is still coming in is no upload yet.
pub fn belongs_to_imports(name: &Path) -> bool {
    let parts: Option<Vec<&str>> = name
        .components()
        .map(|part| match part {
            Component::Normal(text) => text.to_str(),
            _ => None,
        })
        .collect();
    match parts.as_deref() {
        Some([file]) => {
            let stems = [REJECTS.stem(), REMARKS.stem(), KEPT];
            let of_rows = stems.iter().any(|stem| {
                let rest = file.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-'));
                rest.is_some_and(|rest| rest.ends_with(".csv"))
            });
            of_rows || file.starts_with(INCOMING)
        }
        Some([UPLOADS, file]) => !file.ends_with(COMING),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept_file;
    use tidings_campaign::ids::ImportId;

    #[test]
    fn what_imports_write_belongs_to_them_and_nothing_else_does() {
        let kept = kept_file(Path::new(""), ImportId(3));
        for name in ["rejects-3.csv", "remarks-3.csv", "incoming-x", "uploads/a.data"]
            .map(Path::new)
            .into_iter()
            .chain([kept.as_path()])
        {
            assert!(belongs_to_imports(name), "{}", name.display());
        }
        for name in [
            "tidings.toml",
            "tidings.db",
            "kept-3.txt",
            "rejects.csv",
            "secrets/rejects-3.csv",
            "../rejects-3.csv",
            "/rejects-3.csv",
            "uploads/../tidings.toml",
            "uploads/x/y",
            "uploads/a.part",
            "",
        ] {
            assert!(!belongs_to_imports(Path::new(name)), "{name}");
        }
    }
}
