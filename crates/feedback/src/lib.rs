//! What came back, and what it means. Pure.

pub mod address;
pub mod event;
pub mod hits;
pub mod matching;
pub mod message;
pub mod policy;
pub mod reason;
pub mod reply;
pub mod rules;
pub mod stage;
pub mod status;
pub mod thresholds;
pub mod verdict;
pub mod webhook;
