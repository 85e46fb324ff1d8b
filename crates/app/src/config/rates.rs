//! A rate, or a list of them.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// `rate = "200/s"` or `rate = ["200/s", "50000/h"]`.
#[derive(Debug)]
pub(super) enum Rates {
    One(String),
    Many(Vec<String>),
}

impl Rates {
    /// As a list; empty if none was given.
    pub(super) fn list(rates: Option<Rates>) -> Vec<String> {
        match rates {
            None => Vec::new(),
            Some(Rates::One(rate)) => vec![rate],
            Some(Rates::Many(rates)) => rates,
        }
    }
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RatesVisitor)
    }
}

struct RatesVisitor;

impl<'de> Visitor<'de> for RatesVisitor {
    type Value = Rates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate such as \"200/s\", or a list such as [\"200/s\", \"50000/h\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Rates, E> {
        Ok(Rates::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rates, A::Error> {
        let mut rates = Vec::new();
        while let Some(rate) = list.next_element()? {
            rates.push(rate);
        }
        Ok(Rates::Many(rates))
    }
}
