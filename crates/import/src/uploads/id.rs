//! What uploads are called.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// The name of an upload, which nobody can guess.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UploadId(String);

impl UploadId {
    pub(super) fn random() -> std::io::Result<UploadId> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        Ok(UploadId(HEXLOWER.encode(&random)))
    }
}

/// Not the name of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload has a name of 32 hexadecimal digits")]
pub struct NoUploadId;

impl std::str::FromStr for UploadId {
    type Err = NoUploadId;
    fn from_str(text: &str) -> Result<Self, NoUploadId> {
        let is_one = text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| UploadId(text.to_owned())).ok_or(NoUploadId)
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_uploads_are_no_paths() {
        assert!("../../../../etc/passwd".parse::<UploadId>().is_err());
        assert!("0123456789abcdef0123456789abcdef".parse::<UploadId>().is_ok());
    }
}
