//! `currency`: an amount of money as the recipient's language writes it. The digits are ICU's. Its currencies are not in a
//! stable crate yet, so where the sign stands (by CLDR 44) and which sign it is are tables of ours.

use super::call::{Call, Fault, Term};
use super::{language, number};
use icu_locale_core::LanguageIdentifier;

/// Where the sign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `-€7`.
    Before,
    /// `-€ 7`.
    BeforeWithSpace,
    /// `€ -7`.
    BeforeSign,
    /// `CHF-7`, but `CHF 7`.
    BeforeSignOrSpace,
    /// `€-7`.
    BeforeSignClosely,
    /// `-7 €`.
    AfterWithSpace,
    /// `-7€`.
    After,
}

/// Does not let a line break between the amount and its sign.
const SPACE: char = '\u{a0}';

fn place(language: &LanguageIdentifier) -> Place {
    let region = language.region.as_ref().map_or("", |region| region.as_str());
    match (language.language.as_str(), region) {
        ("de" | "it", "CH") => Place::BeforeSignOrSpace,
        ("es", "CL") | ("lo", _) => Place::BeforeSignClosely,
        ("de", "AT" | "LI") | ("en", "AT" | "AU") | ("es", "MX" | "AR" | "US" | "CO") => {
            Place::BeforeWithSpace
        }
        ("pt", "PT") => Place::AfterWithSpace,
        ("mn" | "ne" | "pt" | "sw", _) => Place::BeforeWithSpace,
        ("nl", _) => Place::BeforeSign,
        ("bn" | "km", _) => Place::After,
        (
            "af" | "cy" | "en" | "fa" | "fil" | "ga" | "gu" | "hi" | "id" | "ja" | "kn" | "ko" | "ml" | "mr"
            | "ms" | "mt" | "pa" | "si" | "ta" | "te" | "th" | "tr" | "ur" | "zh" | "zu",
            _,
        ) => Place::Before,
        _ => Place::AfterWithSpace,
    }
}

/// The sign of a currency (ISO 4217): the short one at home, elsewhere only if it means no other currency.
fn sign<'c>(code: &'c str, language: &LanguageIdentifier) -> &'c str {
    let speaks = language.language.as_str();
    let region = language.region.as_ref().map_or("", |region| region.as_str());
    match (code, speaks, region) {
        ("CAD", _, "CA")
        | ("AUD", _, "AU")
        | ("NZD", _, "NZ")
        | ("MXN", _, "MX")
        | ("SGD", _, "SG")
        | ("HKD", _, "HK")
        | ("TWD", _, "TW") => "$",
        ("USD", _, "CA" | "AU" | "NZ" | "MX" | "SG" | "HK" | "TW" | "AR" | "CL" | "CO") => "US$",
        ("USD", ..) => "$",
        ("CAD", ..) => "CA$",
        ("AUD", ..) => "A$",
        ("NZD", ..) => "NZ$",
        ("HKD", ..) => "HK$",
        ("TWD", ..) => "NT$",
        ("MXN", ..) => "MX$",
        ("BRL", ..) => "R$",
        ("EUR", ..) => "€",
        ("GBP", ..) => "£",
        ("JPY", "zh", _) => "JP¥",
        ("JPY", ..) | ("CNY", "zh", _) => "¥",
        ("CNY", ..) => "CN¥",
        ("INR", ..) => "₹",
        ("KRW", ..) => "₩",
        ("ILS", ..) => "₪",
        ("VND", ..) => "₫",
        ("PLN", "pl", _) => "zł",
        ("CZK", "cs", _) => "Kč",
        ("HUF", "hu", _) => "Ft",
        ("SEK", "sv", _) | ("NOK", "nb" | "nn" | "no", _) => "kr",
        ("DKK", "da", _) | ("ISK", "is", _) => "kr.",
        ("TRY", "tr", _) => "₺",
        ("UAH", "uk", _) => "₴",
        ("RUB", "ru", _) => "₽",
        ("PHP", "fil" | "en", "PH") => "₱",
        ("ZAR", _, "ZA") => "R",
        _ => code,
    }
}

/// The codes of currencies, funds and metals (ISO 4217), and of some that were in use until lately.
const CODES: &str = "\
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD \
    CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS \
    GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD \
    KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR \
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN \
    SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG \
    XAU XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR ZMW ZWG ZWL";

/// Digits after the point (ISO 4217).
fn minor_digits(code: &str) -> u16 {
    match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// What is wrong with a code, if it is none.
pub(super) fn unknown(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_uppercase();
    let is_known = code.len() == 3 && CODES.split(' ').any(|known| known == code);
    (!is_known).then(|| "is not a currency: write its code, such as EUR".to_owned())
}

pub(super) fn currency<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let mut decimal = number::Number::param(call, 0)?.decimal();
    let code = call.text(1)?.trim().to_ascii_uppercase();
    if let Some(wrong) = unknown(&code) {
        return Err(Fault::Because(format!("{} {wrong}", call.param(1)?.shown())));
    }
    number::round(
        &mut decimal,
        number::digits(call)?.unwrap_or_else(|| minor_digits(&code)),
    );
    let language = language::of(call)?;
    let negative = decimal.sign() == fixed_decimal::Sign::Negative;
    let amount = language::with_numbers(&language, |numbers| numbers.format(&decimal).to_string())?;
    decimal.set_sign(fixed_decimal::Sign::None);
    let bare = language::with_numbers(&language, |numbers| numbers.format(&decimal).to_string())?;
    let sign = sign(&code, &language);
    // A word runs into the digits without a space.
    let gap = if sign.ends_with(char::is_alphabetic) {
        SPACE.to_string()
    } else {
        String::new()
    };
    let minus = if negative { "-" } else { "" };
    Ok(Term::owned(match place(&language) {
        Place::Before => format!("{minus}{sign}{gap}{bare}"),
        Place::BeforeWithSpace => format!("{minus}{sign}{SPACE}{bare}"),
        Place::BeforeSign => format!("{sign}{SPACE}{amount}"),
        Place::BeforeSignOrSpace | Place::BeforeSignClosely if negative => format!("{sign}{amount}"),
        Place::BeforeSignOrSpace => format!("{sign}{SPACE}{bare}"),
        Place::BeforeSignClosely => format!("{sign}{gap}{bare}"),
        Place::AfterWithSpace => format!("{amount}{SPACE}{sign}"),
        Place::After => format!("{amount}{gap}{sign}"),
    }))
}
