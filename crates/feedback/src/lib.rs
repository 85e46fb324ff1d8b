//! What came back, and what it means. Pure.

pub mod reply;
pub mod verdict;
