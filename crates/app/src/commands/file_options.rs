//! What a person says about files with addresses, where detection is not wanted.

use tidings_campaign::csv_import::{Delimiter, Options, Rule, TextEncoding};

/// How files are read.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct FileOptions {
    /// What a column means: "Column=email", "Column=name", "Column=ignore", "Column=attribute", or an attribute with a
    /// type: "Age=age:number", "VIP=vip:boolean", "Since=since:date", "Tags=tags:list", "Items=items:json". The column is
    /// its header, or #3 for the third.
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    rules: Vec<Rule>,
    /// Which file of a .zip or sheet of a spreadsheet is meant, if there are several.
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
    /// What separates the fields: comma, semicolon, tab or pipe.
    #[arg(long)]
    delimiter: Option<Delimiter>,
    /// What the text is written in: utf-8, utf-16le, utf-16be, windows-1252 or another WHATWG name.
    #[arg(long)]
    encoding: Option<TextEncoding>,
    /// Whether the first row is a header; found out if not given.
    #[arg(long, value_name = "BOOL")]
    header: Option<bool>,
}

impl FileOptions {
    /// For whoever reads the files.
    pub fn options(&self) -> Options {
        Options {
            delimiter: self.delimiter,
            encoding: self.encoding,
            header: self.header,
            rules: self.rules.clone(),
            part: self.part.clone(),
        }
    }

    /// Whether the person says what the text is written in.
    pub fn names_encoding(&self) -> bool {
        self.encoding.is_some()
    }
}
