//! Spreadsheets: how much of one may be unpacked, and which of its sheets is meant.

use super::archive;
use super::refusal::quoted;
use super::sheet::{SheetRows, SheetWriter};
use super::source::Scratch;
use super::{Format, Refusal, ods, xlsx};
use std::fs::File;
use std::io::Read;

/// Octets that all files of a workbook may come to. A sheet of a million rows and ten columns comes to 400 MiB.
const GREATEST_WORKBOOK: u64 = 1 << 30;
/// Octets of what is held in memory while a workbook is read: texts that its cells share, styles.
const GREATEST_SHARED: u64 = 256 << 20;
/// Elements of the same.
const GREATEST_SHARED_ELEMENTS: u64 = 24_000_000;
/// Octets between two tags. A cell has 32,767 characters at most.
const GREATEST_TEXT: u64 = 1 << 20;

/// Reads the sheet that is meant.
pub(super) fn open(
    file: File,
    format: Format,
    part: Option<&str>,
    scratch: Scratch,
) -> Result<SheetRows, Refusal> {
    check_sizes(&file)?;
    let writer = SheetWriter::new(scratch)?;
    match format {
        Format::Ods => ods::read(&file, part, writer),
        Format::Csv | Format::Xlsx => xlsx::read(file, part, writer),
    }
}

/// The sheet that is meant: the one that was named, or the only one that has something in it. `all`: every sheet, and
/// whether it has.
pub(super) fn choose(all: &[(String, bool)], part: Option<&str>) -> Result<String, Refusal> {
    let names = || quoted(all.iter().map(|(name, _)| name.as_str()));
    if let Some(part) = part {
        let found = all.iter().find(|(name, _)| name == part);
        return match found {
            Some((name, _)) => Ok(name.clone()),
            None => Err(Refusal::NoSuchPart {
                part: part.to_owned(),
                names: names(),
            }),
        };
    }
    let full: Vec<&str> = all
        .iter()
        .filter(|(_, has_content)| *has_content)
        .map(|(name, _)| name.as_str())
        .collect();
    match full.as_slice() {
        [] => Err(Refusal::Empty),
        [one] => Ok((*one).to_owned()),
        several => Err(Refusal::SeveralParts {
            what: "sheets",
            names: quoted(several.iter().copied()),
            example: several[0].to_owned(),
        }),
    }
}

/// Unpacks everything once, for its size and for damage. What a file says of its own size is not believed.
fn check_sizes(file: &File) -> Result<(), Refusal> {
    let mut zip = archive::read_directory(file)?;
    let mut totals = Totals::default();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(archive::refusal)?;
        let name = entry.name().map_err(archive::refusal)?.into_owned();
        let mut measure = Measure::default();
        measure.take(&mut entry, GREATEST_WORKBOOK - totals.octets, &name)?;
        totals.add(&name, &measure)?;
    }
    Ok(())
}

/// What is in all files of a workbook together.
#[derive(Debug, Default)]
struct Totals {
    octets: u64,
    /// Of what is held in memory.
    shared_octets: u64,
    shared_elements: u64,
}

impl Totals {
    fn add(&mut self, name: &str, measure: &Measure) -> Result<(), Refusal> {
        self.octets += measure.octets;
        if !name.ends_with(".xml") {
            return Ok(());
        }
        if measure.greatest_text > GREATEST_TEXT {
            return Err(Refusal::TooLarge(format!(
                "{name} in it has a text of more than {GREATEST_TEXT} octets, and no cell has"
            )));
        }
        if name.ends_with("sharedStrings.xml") && measure.claimed > measure.elements {
            return Err(Refusal::Damaged(format!(
                "{name} in it says that there are {} texts, and there are not",
                measure.claimed
            )));
        }
        // Sheets are read as a stream.
        if !name.starts_with("xl/worksheets/") && name != "content.xml" {
            self.shared_octets += measure.octets;
            self.shared_elements += measure.elements;
        }
        if self.shared_octets > GREATEST_SHARED || self.shared_elements > GREATEST_SHARED_ELEMENTS {
            return Err(Refusal::TooLarge(format!(
                "its cells share more than {} MiB of texts: export it as CSV",
                GREATEST_SHARED >> 20
            )));
        }
        Ok(())
    }
}

/// What is in a file of a workbook.
#[derive(Debug, Default)]
struct Measure {
    octets: u64,
    elements: u64,
    /// The longest stretch without a tag.
    greatest_text: u64,
    /// How many texts it says it has; memory is set aside for them.
    claimed: u64,
}

impl Measure {
    fn take(&mut self, entry: &mut impl Read, at_most: u64, name: &str) -> Result<(), Refusal> {
        let mut buffer = vec![0; 64 * 1024];
        let mut since_tag = 0;
        loop {
            let n = entry
                .read(&mut buffer)
                .map_err(|error| Refusal::Damaged(format!("{name} in it does not unpack ({error})")))?;
            let octets = &buffer[..n];
            if n == 0 {
                return Ok(());
            }
            if self.octets == 0 {
                self.claimed = claimed(octets);
            }
            self.octets += n as u64;
            if self.octets > at_most {
                return Err(Refusal::TooLarge(format!(
                    "it unpacks to more than {} MiB: export it as CSV",
                    GREATEST_WORKBOOK >> 20
                )));
            }
            let mut last = 0;
            for at in memchr::memchr_iter(b'<', octets) {
                self.elements += 1;
                self.greatest_text = self.greatest_text.max(since_tag + (at - last) as u64);
                (since_tag, last) = (0, at);
            }
            since_tag += (n - last) as u64;
            self.greatest_text = self.greatest_text.max(since_tag);
        }
    }
}

/// The number in `uniqueCount="…"`.
fn claimed(head: &[u8]) -> u64 {
    let Some(at) = memchr::memmem::find(head, b"uniqueCount") else {
        return 0;
    };
    let digits: String = head[at + "uniqueCount".len()..]
        .iter()
        .skip_while(|octet| !octet.is_ascii_digit())
        .take_while(|octet| octet.is_ascii_digit())
        .map(|&octet| char::from(octet))
        .collect();
    match digits.parse() {
        Ok(number) => number,
        Err(_) if digits.is_empty() => 0,
        Err(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::repeat;

    fn measured(octets: &[u8]) -> Measure {
        let mut measure = Measure::default();
        measure.take(&mut &*octets, 1 << 20, "a.xml").unwrap();
        measure
    }

    #[test]
    fn a_file_of_a_workbook_is_measured() {
        let measure = measured(b"<sst uniqueCount = '12'><si>four</si></sst>");
        assert_eq!((measure.octets, measure.elements), (43, 4));
        assert_eq!((measure.greatest_text, measure.claimed), (24, 12));
        assert_eq!(measured(b"").octets, 0);
    }

    #[test]
    fn unpacking_stops_at_the_limit() {
        let refused = Measure::default().take(&mut repeat(b' '), 1 << 20, "a.xml");
        assert!(matches!(refused, Err(Refusal::TooLarge(_))), "{refused:?}");
    }

    #[test]
    fn what_is_held_in_memory_is_limited_and_sheets_are_not_held() {
        let large = Measure {
            octets: GREATEST_SHARED - 1,
            elements: GREATEST_SHARED_ELEMENTS,
            ..Measure::default()
        };
        let mut totals = Totals::default();
        for sheet in [
            "xl/worksheets/sheet1.xml",
            "xl/media/image1.png",
            "xl/sharedStrings.xml",
        ] {
            totals.add(sheet, &large).unwrap();
        }
        let one_more = Measure {
            elements: 1,
            ..Measure::default()
        };
        assert!(totals.add("xl/styles.xml", &one_more).is_err());
    }
}
