//! Figures as people read them. Pure: the same values go into the pages and into the live events.

pub(crate) mod campaign;
pub(crate) mod chart;
pub(crate) mod happened;
pub(crate) mod ledger_bar;
pub(crate) mod numbers;
pub(crate) mod qr;
pub(crate) mod reason;
pub(crate) mod sentence;
pub(crate) mod zones;
