//! Numbers, also those that came as text from a CSV file: `number`, `plural`, and how two are compared.

use super::call::{Call, Fault, Term};
use super::language;
use fixed_decimal::{Decimal, SignedRoundingMode, UnsignedRoundingMode};
use icu_plurals::PluralCategory;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The longest number, in characters.
const LONGEST: usize = 40;
/// Digits after the point that can be asked for.
pub(super) const MOST_DIGITS: u16 = 12;

/// A number, digit by digit: `-1234.50`. Digits before the point are without leading noughts, those after it without
/// noughts at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number<'a> {
    text: Cow<'a, str>,
}

impl<'a> Number<'a> {
    /// Reads a JSON number, or text as a computer writes a number: digits, a point, more digits.
    pub(super) fn read(term: &Term<'a>) -> Option<Number<'a>> {
        let text = match term {
            Term::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.trim()),
            Term::Text(Cow::Owned(text)) => Cow::Owned(text.trim().to_owned()),
            Term::Json(value) => match value.as_ref() {
                Value::Number(number) if number.is_f64() => Cow::Owned(number.as_f64()?.to_string()),
                Value::Number(number) => Cow::Owned(number.to_string()),
                _ => return None,
            },
            Term::Missing => return None,
        };
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        (text.len() <= LONGEST && is_digits(whole) && is_digits(fraction)).then_some(Number { text })
    }

    /// An argument that must be a number.
    pub(super) fn param(call: &Call<'a>, at: usize) -> Result<Number<'a>, Fault> {
        let term = call.param(at)?;
        Number::read(term).ok_or_else(|| {
            Fault::Because(format!(
                "{} is not a number: write numbers like 1234.5",
                term.shown()
            ))
        })
    }

    pub(super) fn decimal(&self) -> Decimal {
        let text = self.text.strip_prefix('+').unwrap_or(&self.text);
        let mut decimal: Decimal = text.parse().expect("digits with a point are a number");
        decimal.trim_start();
        decimal
    }

    fn is_negative(&self) -> bool {
        self.text.starts_with('-') && self.text.bytes().any(|c| matches!(c, b'1'..=b'9'))
    }

    pub(super) fn compare(&self, other: &Number<'_>) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude().cmp(&other.magnitude()),
            (true, true) => other.magnitude().cmp(&self.magnitude()),
        }
    }

    /// Ordered as the numbers without their signs are.
    fn magnitude(&self) -> (usize, &str, &str) {
        let unsigned = self.text.trim_start_matches(['-', '+']);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let whole = whole.trim_start_matches('0');
        (whole.len(), whole, fraction.trim_end_matches('0'))
    }
}

/// Rounds half away from zero, as people do, to exactly so many digits after the point.
pub(super) fn round(decimal: &mut Decimal, digits: u16) {
    let position = -i16::try_from(digits).expect("there are few digits");
    let half = SignedRoundingMode::Unsigned(UnsignedRoundingMode::HalfExpand);
    decimal.round_with_mode(position, half);
    decimal.pad_end(position);
}

/// The number of digits after the point that the call asks for.
pub(super) fn digits(call: &Call<'_>) -> Result<Option<u16>, Fault> {
    let digits = call.option("digits")?;
    digits.map(|term| call.small(term, MOST_DIGITS)).transpose()
}

pub(super) fn number<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let mut decimal = Number::param(call, 0)?.decimal();
    if let Some(digits) = digits(call)? {
        round(&mut decimal, digits);
    }
    let language = language::of(call)?;
    language::with_numbers(&language, |numbers| {
        Term::owned(numbers.format(&decimal).to_string())
    })
}

/// `{{plural n "offer" "offers"}}`, or a text for each of the language's plural categories. A `#` stands for the
/// number.
pub(super) fn plural<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let decimal = Number::param(call, 0)?.decimal();
    let language = language::of(call)?;
    let category = language::with_plurals(&language, |rules| rules.category_for(&decimal))?;
    let is_nought = decimal
        .to_string()
        .bytes()
        .all(|c| matches!(c, b'0' | b'.' | b'-'));
    let named = match category {
        PluralCategory::Zero => call.text_option("zero")?,
        PluralCategory::One => call.text_option("one")?,
        PluralCategory::Two => call.text_option("two")?,
        PluralCategory::Few => call.text_option("few")?,
        PluralCategory::Many => call.text_option("many")?,
        PluralCategory::Other => None,
    };
    let none = if is_nought {
        call.text_option("none")?
    } else {
        None
    };
    let chosen = match (none.or(named), category, call.params.len()) {
        (Some(text), ..) => text,
        (None, PluralCategory::One, 3) => call.text(1)?,
        (None, _, 3) => call.text(2)?,
        (None, ..) => call.text_option("other")?.ok_or_else(|| {
            Fault::Because("it needs other=\"…\", which is used where nothing else fits".to_owned())
        })?,
    };
    if !chosen.contains('#') {
        return Ok(Term::Text(chosen));
    }
    let shown = language::with_numbers(&language, |numbers| numbers.format(&decimal).to_string())?;
    Ok(Term::owned(chosen.replace('#', &shown)))
}
