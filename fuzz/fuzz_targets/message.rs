//! Any octets as a message.

#![no_main]

use tidings_feedback::message::classify;
use tidings_feedback::rules::Rules;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    classify(Rules::standard(), octets);
});
