//! How many messages a second are classified on one core: all files of a folder, again and again for five seconds.
//!
//! `cargo run --release -p tidings-feedback --example classify_rate -- FOLDER`

use std::io::Write;
use std::time::{Duration, Instant};
use tidings_feedback::message::classify;
use tidings_feedback::rules::Rules;

const LASTS: Duration = Duration::from_secs(5);

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let mut messages = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.is_file() {
            messages.push(std::fs::read(path)?);
        }
    }
    let rules = Rules::standard();
    let (start, mut count, mut octets) = (Instant::now(), 0_u64, 0_usize);
    while start.elapsed() < LASTS && !messages.is_empty() {
        for message in &messages {
            std::hint::black_box(classify(rules, message));
            count += 1;
            octets += message.len();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{:.0} messages and {:.1} MB a second",
        count as f64 / seconds,
        octets as f64 / seconds / 1e6
    )
}
