//! Time zones to choose from.

use jiff::tz::{TimeZone, db};
use serde::Serialize;

/// A zone by its IANA name.
#[derive(Debug, Serialize)]
pub(crate) struct Zone {
    name: String,
}

/// The zones of the time-zone database that are named by a place (`Europe/Berlin`), and UTC.
pub(crate) fn all() -> Vec<Zone> {
    let mut names: Vec<String> = db().available().map(|name| name.to_string()).collect();
    let is_place =
        |name: &str| name.contains('/') && !name.starts_with("Etc/") && !name.starts_with("SystemV/");
    names.retain(|name| is_place(name) || name == "UTC");
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| Zone { name }).collect()
}

/// The zone of this name; UTC if there is none.
pub(crate) fn named(name: &str) -> (String, TimeZone) {
    TimeZone::get(name).map_or_else(
        |_| ("UTC".to_owned(), TimeZone::UTC),
        |zone| (name.to_owned(), zone),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_utc_can_be_chosen() {
        let all = all();
        for name in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"] {
            assert!(all.iter().any(|zone| zone.name == name), "{name}");
        }
        assert!(all.iter().all(|zone| TimeZone::get(&zone.name).is_ok()));
        assert_eq!(named("Mars/Olympus").0, "UTC");
    }
}
