//! The demo's recipients: invented, varied and the same every time. All addresses are under domains that
//! nobody can own (RFC 2606).

use super::script::{BLOCKED, FULL, GONE, SLOW};
use std::io::{self, Write};

/// Name as people write it, and its letters for an address.
const FIRST_NAMES: [(&str, &str); 28] = [
    ("Anna", "anna"),
    ("Jörg", "joerg"),
    ("Zoë", "zoe"),
    ("François", "francois"),
    ("Siân", "sian"),
    ("Łukasz", "lukasz"),
    ("Søren", "soren"),
    ("Inés", "ines"),
    ("Björn", "bjorn"),
    ("Chloé", "chloe"),
    ("Tomáš", "tomas"),
    ("Maeve", "maeve"),
    ("Giulia", "giulia"),
    ("Jürgen", "juergen"),
    ("Ayşe", "ayse"),
    ("Noah", "noah"),
    ("Aaliyah", "aaliyah"),
    ("Mikkel", "mikkel"),
    ("Renée", "renee"),
    ("Pádraig", "padraig"),
    ("Katarzyna", "katarzyna"),
    ("Elif", "elif"),
    ("João", "joao"),
    ("Marit", "marit"),
    ("Yusuf", "yusuf"),
    ("Dvořák-Lene", "dvoraklene"),
    ("Éowyn", "eowyn"),
    ("Wren", "wren"),
];

const LAST_NAMES: [(&str, &str); 26] = [
    ("Müllendorf", "muellendorf"),
    ("O'Brannigan", "obrannigan"),
    ("D'Arcangeli", "darcangeli"),
    ("Lindqvistsen", "lindqvistsen"),
    ("de la Cruzada", "delacruzada"),
    ("Nowakowicz", "nowakowicz"),
    ("Weißenbach", "weissenbach"),
    ("Ångstedt", "angstedt"),
    ("Ferreirinha", "ferreirinha"),
    ("Okonjola", "okonjola"),
    ("MacTavering", "mactavering"),
    ("van den Broekhuis", "vandenbroekhuis"),
    ("Čapkova", "capkova"),
    ("Grünspecht", "gruenspecht"),
    ("Hartigansson", "hartigansson"),
    ("Île-Dubois", "iledubois"),
    ("Yıldızer", "yildizer"),
    ("Papadimas", "papadimas"),
    ("Quillfeather", "quillfeather"),
    ("Rasmusdal", "rasmusdal"),
    ("Sørbye-Holt", "sorbyeholt"),
    ("Tremblaire", "tremblaire"),
    ("Underhillock", "underhillock"),
    ("Vespertini", "vespertini"),
    ("Wójcikowa", "wojcikowa"),
    ("Zieglmoser", "zieglmoser"),
];

const COMPANIES: [&str; 14] = [
    "Lindenhof GmbH",
    "Werkzeuge & Söhne; seit 1921",
    "\"Zum Anker\" Gaststätten",
    "Quill, Feather & Co.",
    "Café Île-de-Lune",
    "Northwind Looms Ltd",
    "Papierfabrik Überwald AG",
    "Studio \"Ærø\"; Grafik",
    "Hafenkontor",
    "O'Brannigan's Bikes",
    "Tienda del Puente, S.L.",
    "Ogrody Pod Lipą",
    "Brass Lantern Press",
    "",
];

/// City, the beginning of its postal codes, language.
const CITIES: [(&str, &str, &str); 12] = [
    ("Dresden", "010", "de"),
    ("Leipzig", "041", "de"),
    ("Zürich", "80", "de"),
    ("Cork", "T12 0", "en"),
    ("Boston", "021", "en"),
    ("Newark", "071", "en"),
    ("Nice", "06", "fr"),
    ("Bourg-en-Bresse", "01", "fr"),
    ("Barcelona", "08", "es"),
    ("Warszawa", "00-", "pl"),
    ("Bergen", "50", "en"),
    ("Málaga", "29", "es"),
];

/// One of them is international: it is sent to under its ASCII form.
const DOMAINS: [&str; 10] = [
    "example.com",
    "example.com",
    "example.org",
    "example.org",
    "example.net",
    "mail.test",
    "post.test",
    "shop.example.net",
    "bücher.test",
    "Example.COM",
];

const PLANS: [&str; 5] = ["free", "free", "basic", "plus", "pro"];

/// Rows that an import must turn down, each for a reason of its own.
const BAD_ADDRESSES: [&str; 5] = [
    "no-at-sign.example.com",
    "two@@example.org",
    "",
    "space in@example.net",
    "nobody@",
];

/// One bad row comes after so many good ones, and one row again.
const BAD_EVERY: u64 = 499;
const AGAIN_EVERY: u64 = 307;

const HEADER: [&str; 7] = ["email", "name", "company", "city", "zip", "plan", "language"];

/// Writes the CSV: `recipients` different good rows, and among them a few bad ones and a few that come twice.
pub(crate) fn write_sample(recipients: u64, out: impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER)?;
    let mut chance = Chance(0x7469_6469_6e67_7321);
    for number in 1..=recipients {
        let row = row(number, &mut chance);
        csv.write_record(&row)?;
        if number % AGAIN_EVERY == 0 {
            let [address, rest @ ..] = row;
            let mut again = vec![address.to_uppercase()];
            again.extend(rest);
            csv.write_record(&again)?;
        }
        if number % BAD_EVERY == 0 {
            let which = usize::try_from(number / BAD_EVERY).unwrap_or(0) % BAD_ADDRESSES.len();
            csv.write_record([
                BAD_ADDRESSES[which],
                "Nobody in Particular",
                "",
                "",
                "",
                "free",
                "en",
            ])?;
        }
    }
    csv.flush()
}

fn row(number: u64, chance: &mut Chance) -> [String; 7] {
    let (first, first_letters) = *chance.pick(&FIRST_NAMES);
    let (last, last_letters) = *chance.pick(&LAST_NAMES);
    let (city, zip, language) = *chance.pick(&CITIES);
    let domain = chance.pick(&DOMAINS);
    let mark = mark(chance);
    let mut address = format!("{first_letters}.{last_letters}.{number}{mark}@{domain}");
    if chance.below(40) == 0 {
        address = address.to_uppercase();
    }
    let digits = 5_usize.saturating_sub(zip.len()).max(2);
    let zip = format!(
        "{zip}{:0digits$}",
        chance.below(10_u64.pow(u32::try_from(digits).unwrap_or(2)))
    );
    [
        address,
        format!("{first} {last}"),
        (*chance.pick(&COMPANIES)).to_owned(),
        city.to_owned(),
        zip,
        (*chance.pick(&PLANS)).to_owned(),
        language.to_owned(),
    ]
}

/// 2 % do not exist, 3 % are put off at first, 1 % are refused for the content.
fn mark(chance: &mut Chance) -> &'static str {
    match chance.below(200) {
        0..4 => GONE,
        4..7 => FULL,
        7..10 => SLOW,
        10..12 => BLOCKED,
        _ => "",
    }
}

/// SplitMix64: the same numbers in every version and on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        &from[index]
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::is_marked;
    use super::*;
    use std::collections::HashSet;
    use tidings_feedback::thresholds::{Tally, Thresholds, passed};

    fn rows(recipients: u64) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        write_sample(recipients, &mut out).unwrap();
        csv::Reader::from_reader(out.as_slice())
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn the_sample_has_as_many_good_recipients_as_asked_for() {
        let rows = rows(2000);
        let good: Vec<_> = rows
            .iter()
            .filter(|row| !BAD_ADDRESSES.contains(&row[0].as_str()))
            .collect();
        let different: HashSet<String> = good.iter().map(|row| row[0].to_lowercase()).collect();
        assert_eq!(different.len(), 2000);
        assert_eq!(good.len() - different.len(), 6, "rows that come twice");
        assert_eq!(rows.len() - good.len(), 4, "bad rows");
    }

    #[test]
    fn about_the_promised_shares_misbehave() {
        let rows = rows(5000);
        let share = |mark: &str| {
            rows.iter()
                .filter(|row| is_marked(&row[0].to_lowercase(), mark))
                .count()
        };
        assert!((70..130).contains(&share(GONE)), "{}", share(GONE));
        assert!((110..190).contains(&(share(FULL) + share(SLOW))));
        assert!((30..75).contains(&share(BLOCKED)));
    }

    #[test]
    fn at_no_moment_so_many_are_gone_that_the_demo_pauses_by_itself() {
        let thresholds = Thresholds::default();
        for recipients in [1_500, 5_000, 20_000] {
            // An import goes by address, and the campaign after it.
            let rows = rows(recipients);
            let mut addresses: Vec<_> = rows.iter().map(|row| row[0].to_lowercase()).collect();
            addresses.sort_unstable();
            let mut tally = Tally::default();
            for address in addresses {
                tally.settled += 1;
                tally.hard += u64::from(is_marked(&address, GONE));
                assert_eq!(passed(thresholds, tally), None, "{tally:?}");
            }
        }
    }

    #[test]
    fn the_sample_is_the_same_every_time_and_varied() {
        assert_eq!(rows(300), rows(300));
        let rows = rows(300);
        assert!(
            rows.iter().any(|row| row[4].starts_with('0')),
            "a postal code with a leading zero"
        );
        assert!(
            rows.iter()
                .any(|row| row[2].contains(';') || row[2].contains('"'))
        );
        assert!(rows.iter().any(|row| row[0].contains("bücher.test")));
        assert!(rows.iter().any(|row| row[1].contains('\'')));
    }
}
