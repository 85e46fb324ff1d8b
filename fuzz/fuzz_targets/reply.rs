//! Any text as a reply of a mail server.

#![no_main]

use tidings_feedback::reply;
use tidings_feedback::rules::Rules;

libfuzzer_sys::fuzz_target!(|text: &str| {
    reply::read(Rules::standard(), text);
    for code in [421, 450, 550, 554] {
        reply::verdict(code, text);
    }
});
