//! Whose pages these are: the operator's name, logo, colour and postal address.

use actix_web::web::Bytes;
use serde::{Serialize, Serializer};

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;
/// The longest postal address, in characters.
const LONGEST_ADDRESS: usize = 500;
/// What can be read without effort (WCAG 2.2, success criterion 1.4.3).
const READABLE: f64 = 4.5;

/// The operator, as public pages show it; each part only if it is there.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Brand {
    name: Option<String>,
    logo: Option<Logo>,
    #[serde(skip)]
    colour: Option<Colour>,
    postal_address: Option<String>,
}

/// Why a brand cannot be shown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BrandError {
    /// The colour is written otherwise.
    #[error("colour = \"{0}\" is not a colour: write it as #rrggbb, such as #1d56b3")]
    Colour(String),
    /// The image is too large.
    #[error("the logo has {0} octets, and at most {max} are shown: make it smaller", max = Logo::MOST_OCTETS)]
    TooLarge(usize),
    /// The file is another thing.
    #[error("the logo is no PNG, JPEG, WebP or SVG image")]
    NoImage,
    /// A text is too long.
    #[error("{key} has more than {most} characters")]
    TooLong {
        /// Which.
        key: &'static str,
        /// How many it may have.
        most: usize,
    },
}

impl Brand {
    /// Checks the parts.
    pub fn new(
        name: Option<String>,
        logo: Option<Logo>,
        colour: Option<Colour>,
        postal_address: Option<String>,
    ) -> Result<Brand, BrandError> {
        let bounded = |key, text: Option<String>, most| match text {
            Some(text) if text.chars().count() > most => Err(BrandError::TooLong { key, most }),
            text => Ok(text
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())),
        };
        Ok(Brand {
            name: bounded("name", name, LONGEST_NAME)?,
            logo,
            colour,
            postal_address: bounded("postal_address", postal_address, LONGEST_ADDRESS)?,
        })
    }

    /// The operator's name, if it is said.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The postal address, if it is said.
    pub fn postal_address(&self) -> Option<&str> {
        self.postal_address.as_deref()
    }

    /// The logo, if there is one.
    pub(crate) fn logo(&self) -> Option<&Logo> {
        self.logo.as_ref()
    }

    /// The rule of a style sheet that sets the brand's colour, and what is readable on it.
    pub(crate) fn style(&self) -> String {
        let colour = self.colour.unwrap_or(Colour::OURS);
        format!(
            ":root{{--brand:{};--on-brand:{}}}\n",
            colour.written(),
            colour.ink()
        )
    }
}

/// An image file that is shown as it is.
#[derive(Clone, Debug)]
pub struct Logo {
    octets: Bytes,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Png,
    Jpeg,
    WebP,
    Svg,
}

impl Logo {
    /// The largest file.
    pub const MOST_OCTETS: usize = 200_000;

    /// Takes a file by what it contains, whatever its name.
    pub fn read(octets: Vec<u8>) -> Result<Logo, BrandError> {
        if octets.len() > Self::MOST_OCTETS {
            return Err(BrandError::TooLarge(octets.len()));
        }
        let kind = Kind::of(&octets).ok_or(BrandError::NoImage)?;
        Ok(Logo {
            octets: octets.into(),
            kind,
        })
    }

    pub(crate) fn octets(&self) -> Bytes {
        self.octets.clone()
    }

    pub(crate) fn media_type(&self) -> &'static str {
        match self.kind {
            Kind::Png => "image/png",
            Kind::Jpeg => "image/jpeg",
            Kind::WebP => "image/webp",
            Kind::Svg => "image/svg+xml",
        }
    }
}

/// Pages need to know only that there is one.
impl Serialize for Logo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl Kind {
    fn of(octets: &[u8]) -> Option<Kind> {
        if octets.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Kind::Png)
        } else if octets.starts_with(b"\xff\xd8\xff") {
            Some(Kind::Jpeg)
        } else if octets.starts_with(b"RIFF") && octets.get(8..12) == Some(b"WEBP") {
            Some(Kind::WebP)
        } else {
            is_svg(std::str::from_utf8(octets).ok()?).then_some(Kind::Svg)
        }
    }
}

/// Whether a text begins with an `svg` element, after declarations and comments.
fn is_svg(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<!") => ">",
            _ => {
                let name = rest.strip_prefix("<svg").unwrap_or_default();
                return name.starts_with(|c: char| c.is_ascii_whitespace() || c == '>');
            }
        };
        let Some((_, after)) = rest.split_once(end) else {
            return false;
        };
        rest = after.trim_start();
    }
}

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    const OURS: Colour = Colour([0x25, 0x63, 0xc9]);

    /// From `#rrggbb`.
    pub fn parse(text: &str) -> Result<Colour, BrandError> {
        let error = || BrandError::Colour(text.chars().take(20).collect());
        let digits = text.strip_prefix('#').ok_or_else(error)?;
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(error());
        }
        let [_, r, g, b] = u32::from_str_radix(digits, 16)
            .map_err(|_| error())?
            .to_be_bytes();
        Ok(Colour([r, g, b]))
    }

    fn written(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// White where it can be read on this colour, else black: one of them always can.
    fn ink(self) -> &'static str {
        let contrast_to_white = 1.05 / (self.luminance() + 0.05);
        if contrast_to_white >= READABLE {
            "#fff"
        } else {
            "#000"
        }
    }

    /// Relative luminance by WCAG 2.2.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        let [r, g, b] = self.0.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_first_octets() {
        for (octets, media_type) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            (b"\xff\xd8\xff\xe0....", "image/jpeg"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml"),
            (
                b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <p> -->\n<!DOCTYPE svg>\n<svg>",
                "image/svg+xml",
            ),
        ] {
            assert_eq!(Logo::read(octets.to_vec()).unwrap().media_type(), media_type);
        }
        for octets in [
            &b""[..],
            b"GIF89a",
            b"<html><svg></svg></html>",
            b"<svgx>",
            b"<!-- <svg>",
            b"RIFF\0\0\0\0WAVE",
        ] {
            assert_eq!(Logo::read(octets.to_vec()).unwrap_err(), BrandError::NoImage);
        }
        let large = vec![0; Logo::MOST_OCTETS + 1];
        assert_eq!(Logo::read(large).unwrap_err(), BrandError::TooLarge(200_001));
    }

    #[test]
    fn text_on_a_colour_can_always_be_read() {
        for (colour, ink) in [
            ("#1d56b3", "#fff"),
            ("#ffd400", "#000"),
            ("#FFFFFF", "#000"),
            ("#000000", "#fff"),
            ("#777777", "#000"),
            ("#767676", "#fff"),
        ] {
            assert_eq!(Colour::parse(colour).unwrap().ink(), ink, "{colour}");
        }
        for wrong in ["1d56b3", "#1d56b", "#1d56b3f", "#1d56bg", "red", "#+1d56b", ""] {
            assert!(Colour::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn long_texts_are_refused_and_empty_ones_are_none() {
        let long = Brand::new(Some("x".repeat(101)), None, None, None);
        assert_eq!(
            long.unwrap_err(),
            BrandError::TooLong {
                key: "name",
                most: 100
            }
        );
        let empty = Brand::new(Some(" ".into()), None, None, Some(String::new())).unwrap();
        assert_eq!((empty.name, empty.postal_address), (None, None));
    }
}
