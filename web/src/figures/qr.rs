//! A text as a picture that cameras read (QR code, ISO/IEC 18004).

use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;
use std::fmt::Write;

/// A drawing in a box of `side` by `side`; every dark square is a part of the path.
#[derive(Debug, Serialize)]
pub(crate) struct Picture {
    pub(crate) side: usize,
    pub(crate) path: String,
}

/// Light squares around the code (section 5.3.8 of the standard).
const QUIET: usize = 4;

/// None if the text is too long for a picture.
pub(crate) fn picture(text: &str) -> Option<Picture> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            write!(path, "M{x} {y}h1v1h-1z").expect("writing to a String cannot fail");
        }
    }
    Some(Picture {
        side: width + 2 * QUIET,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_three_corners_and_a_quiet_border() {
        let picture = picture("otpauth://totp/Tidings:ann?secret=GEZDGNBV&issuer=Tidings").unwrap();
        let far = picture.side - QUIET - 1;
        for (x, y) in [(QUIET, QUIET), (far, QUIET), (QUIET, far)] {
            assert!(picture.path.contains(&format!("M{x} {y}h1")), "{x} {y}");
        }
        assert!(!picture.path.contains("M0 ") && !picture.path.contains(&format!("M{} ", far + 1)));
    }

    #[test]
    fn what_is_too_long_has_no_picture() {
        assert!(picture(&"a".repeat(5000)).is_none());
    }
}
