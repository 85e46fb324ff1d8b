//! What a person says about the files of an import, as texts that can be kept.

use crate::checks::Check;
use serde::{Deserialize, Serialize};
use tidings_campaign::csv_import::Options;

/// What a person says about the files, where detection is not wanted; and what is looked at closer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// What single columns mean: `Age=age:number`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// `comma`, `semicolon`, `tab` or `pipe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// A WHATWG name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The file of an archive, the sheet of a spreadsheet, or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Whether the first row is a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// What is looked at closer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

impl Wishes {
    pub(crate) fn of(options: &Options, checks: &[Check]) -> Wishes {
        Wishes {
            rules: options.rules.iter().map(ToString::to_string).collect(),
            delimiter: options.delimiter.map(|delimiter| delimiter.to_string()),
            encoding: options.encoding.map(|encoding| encoding.name().to_owned()),
            part: options.part.clone(),
            header: options.header,
            checks: checks.to_vec(),
        }
    }

    /// For whoever reads the files. Fails if one of the texts says nothing.
    pub fn options(&self) -> anyhow::Result<Options> {
        let rules = self.rules.iter().map(|rule| rule.parse());
        Ok(Options {
            delimiter: self.delimiter.as_deref().map(str::parse).transpose()?,
            encoding: self.encoding.as_deref().map(str::parse).transpose()?,
            header: self.header,
            rules: rules.collect::<Result<_, _>>()?,
            part: self.part.clone(),
        })
    }
}
