//! `/settings`: for administrators.

pub(crate) mod audit;
pub(crate) mod people;
pub(crate) mod tokens;

use serde::Serialize;

/// A tab of the settings.
#[derive(Serialize)]
struct Tab {
    label: &'static str,
    href: &'static str,
    is_here: bool,
}

fn tabs(here: &str) -> Vec<Tab> {
    [
        ("People", "/settings/people"),
        ("Tokens", "/settings/tokens"),
        ("Audit log", "/settings/audit"),
    ]
    .into_iter()
    .map(|(label, href)| Tab {
        label,
        href,
        is_here: href == here,
    })
    .collect()
}
