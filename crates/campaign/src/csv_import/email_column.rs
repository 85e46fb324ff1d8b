//! Which column has the addresses, if the user does not say.

use crate::address::EmailAddress;

/// Headers that mean the address, without spaces, hyphens and the like, in lower case.
const HEADERS: [&str; 33] = [
    "email",
    "mail",
    "emailaddress",
    "mailaddress",
    "emailid",
    "emailadresse",
    "mailadresse",
    "elektronischepost",
    "adresseemail",
    "adressemail",
    "adressedecourriel",
    "adresseélectronique",
    "courriel",
    "correo",
    "correoelectrónico",
    "correoelectronico",
    "direccióndecorreo",
    "direccióndecorreoelectrónico",
    "endereçodeemail",
    "indirizzoemail",
    "postaelettronica",
    "emailadres",
    "epost",
    "epostadress",
    "epostadresse",
    "eposta",
    "adresemail",
    "sähköposti",
    "почта",
    "электроннаяпочта",
    "メールアドレス",
    "邮箱",
    "电子邮件",
];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This column, counted from 0.
    One(usize),
    /// None looks like it.
    None,
    /// These do, equally well.
    Several(Vec<usize>),
}

/// A column is chosen by its header; between headers that say the same, and without one, by what stands in it.
pub(super) fn detect(columns: &[String], rows: &[Vec<String>]) -> Found {
    let shares: Vec<f64> = (0..columns.len())
        .map(|column| address_share(rows, column))
        .collect();
    let with = |wanted: &dyn Fn(usize) -> bool| (0..columns.len()).filter(|&c| wanted(c)).collect::<Vec<_>>();
    let full = with(&|c| shares[c] >= 0.5);
    let named = with(&|c| HEADERS.contains(&plain(&columns[c]).as_str()));
    let named_and_used = with(&|c| named.contains(&c) && shares[c] > 0.0);
    let named_in_part = with(&|c| full.contains(&c) && plain(&columns[c]).contains("mail"));
    for candidates in [named_and_used, named_in_part, full, named] {
        match candidates.as_slice() {
            [] => {}
            [one] => return Found::One(*one),
            _ => return Found::Several(candidates),
        }
    }
    Found::None
}

fn plain(header: &str) -> String {
    header
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// How many of the filled fields of a column are addresses, from 0 to 1.
fn address_share(rows: &[Vec<String>], column: usize) -> f64 {
    let filled: Vec<_> = rows
        .iter()
        .filter_map(|row| row.get(column))
        .filter(|f| !f.trim().is_empty())
        .collect();
    let addresses = filled
        .iter()
        .filter(|field| EmailAddress::parse(field).is_ok())
        .count();
    if filled.is_empty() {
        0.0
    } else {
        addresses as f64 / filled.len() as f64
    }
}
