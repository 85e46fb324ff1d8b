//! Any text as a reply of a mail server.

#![no_main]

use tidings_feedback::reply;
use tidings_feedback::rules::Rules;
use tidings_feedback::stage::Stage;

libfuzzer_sys::fuzz_target!(|text: &str| {
    reply::read(Rules::standard(), text);
    for code in [421, 450, 550, 554] {
        for stage in [
            None,
            Some(Stage::Greeting),
            Some(Stage::Sender),
            Some(Stage::Recipient),
            Some(Stage::Message),
        ] {
            reply::judge(Rules::standard(), code, text, stage);
        }
    }
});
