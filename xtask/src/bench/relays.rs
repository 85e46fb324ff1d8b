//! Several relays, a slow relay, and a relay behind TLS.

use super::campaign::{rate, send_through};
use super::installation::relay;
use super::sink::{OurSink, Sink};
use super::{ROUNDS, median, spread};
use std::fmt::Write;
use std::path::Path;

const MESSAGES: usize = 100_000;
/// Sessions in all, however many relays share them.
const SESSIONS: usize = 48;

/// The same campaign through one relay and through four, in turns.
pub fn several(binary: &Path) -> anyhow::Result<String> {
    let sinks = (0..4)
        .map(|_| Sink::start())
        .collect::<anyhow::Result<Vec<_>>>()?;
    let through = |n: usize| -> String {
        let sinks = sinks[..n].iter();
        sinks.map(|sink| relay(sink.address(), SESSIONS / n)).collect()
    };
    let table = beside(binary, [("1 relay", through(1)), ("4 relays", through(4))])?;
    Ok(format!(
        "{MESSAGES} messages of the campaign of `bench send`, {SESSIONS} sessions in all, each relay an smtp-sink of its own.\n\n{table}"
    ))
}

/// Over TLS beside clear text, to the same kind of relay.
pub fn tls(binary: &Path) -> anyhow::Result<String> {
    let (clear, tls) = (OurSink::start(&[])?, OurSink::start(&["tls"])?);
    let behind_tls = format!(
        "[[relay]]\nname = \"tls\"\nurl = \"smtps://{}\"\ncertificate_check = \"none\"\nmax_sessions = {SESSIONS}\n",
        tls.address()
    );
    let table = beside(
        binary,
        [
            ("clear text", relay(clear.address(), SESSIONS)),
            ("TLS", behind_tls),
        ],
    )?;
    Ok(format!(
        "{MESSAGES} messages of the campaign of `bench send`, {SESSIONS} sessions, to the scripted relay as a sink, one thread.\n\n{table}"
    ))
}

/// The campaign through either, in turns; the first is what the second is compared with.
fn beside(binary: &Path, sides: [(&str, String); 2]) -> anyhow::Result<String> {
    let mut all: [Vec<f64>; 2] = Default::default();
    for round in 1..=ROUNDS {
        for ((name, sections), rates) in sides.iter().zip(&mut all) {
            let rate = rate(MESSAGES, &send_through(binary, sections, MESSAGES)?);
            eprintln!("round {round}: {name}: {rate:.0} messages/s");
            rates.push(rate);
        }
    }
    let first = median(all[0].iter().copied());
    let mut table = String::from("| | messages/s (median) | of each round | ratio |\n|---|---|---|---|\n");
    for ((name, _), rates) in sides.iter().zip(&all) {
        let middle = median(rates.iter().copied());
        writeln!(
            table,
            "| {name} | {middle:.0} | {} | {:.2} |",
            spread(rates),
            middle / first
        )?;
    }
    Ok(table)
}

const DELAY_MS: usize = 50;
const SLOW_SESSIONS: usize = 100;
/// Half a minute's worth.
const SLOW_MESSAGES: usize = 60_000;

/// To a relay that takes its time for every answer. The bound is one round trip for a message.
pub fn latency(binary: &Path) -> anyhow::Result<String> {
    let slow = OurSink::start(&[&DELAY_MS.to_string()])?;
    let bound = SLOW_SESSIONS as f64 * 1000.0 / DELAY_MS as f64;
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let costs = send_through(binary, &relay(slow.address(), SLOW_SESSIONS), SLOW_MESSAGES)?;
        rates.push(rate(SLOW_MESSAGES, &costs));
        eprintln!("round {round}: {:.0} messages/s", rates[round - 1]);
    }
    let middle = median(rates.iter().copied());
    Ok(format!(
        "{SLOW_MESSAGES} messages of the campaign of `bench send`, {SLOW_SESSIONS} sessions, to the scripted relay, which \
         waits {DELAY_MS} ms before each answer (once for a pipelined group). A rate is that of the whole process.\n\n\
         | | messages/s (median) | of each round | ratio |\n|---|---|---|---|\n\
         | sessions ÷ round trip | {bound:.0} | | 1.00 |\n\
         | tidings campaign send | {middle:.0} | {} | {:.2} |\n",
        spread(&rates),
        middle / bound,
    ))
}
