//! What came back, and what it means. Pure.

pub mod address;
pub mod message;
pub mod reason;
pub mod reply;
pub mod rules;
pub mod status;
pub mod verdict;
