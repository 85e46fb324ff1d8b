//! Signals, logging, and what a process is called while it runs.

use tidings_campaign::time::Clock;
use tidings_campaign::token::KeyRing;
use tidings_store::Store;
use tidings_store::signing_keys::KEYS_READ_EVERY;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::Level;

/// Logs to standard error. There are no addresses above debug level.
pub fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .init();
}

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once: leases give the rest back.
pub fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = token.clone();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if again {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(token)
}

/// Takes over keys that are made or retired while this process runs, until `stop`.
pub async fn keep_keys_fresh(store: Store, keys: KeyRing, clock: Clock, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(KEYS_READ_EVERY) => {}
        }
        match store.while_it_answers(store.key_ring(clock.now())).await {
            Ok(fresh) => keys.take_over(fresh),
            // Those that are known go on to be used.
            Err(error) => tracing::warn!("the keys cannot be read again now: {error}"),
        }
    }
}

/// A name for the leases of this start of this process.
pub fn owner_name(node: &str) -> anyhow::Result<String> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(format!(
        "{node}-{}-{:016x}",
        std::process::id(),
        u64::from_ne_bytes(octets)
    ))
}
