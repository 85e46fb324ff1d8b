//! A relay that takes everything, for benchmarks: `sink [DELAY_MS] [tls]`. Prints its address, and ends with its
//! standard input.

use std::error::Error;
use std::io::{Read, stdin};
use std::time::Duration;
use tidings_scripted_relay::{Identity, Script, ScriptedRelay};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the address is what the caller waits for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut script = Script::sink();
    for word in std::env::args().skip(1) {
        script = if word == "tls" {
            let own = rcgen::generate_simple_self_signed(["relay.example.net".to_owned()])?;
            script.implicit_tls(&Identity::from_pem(
                &own.cert.pem(),
                &own.signing_key.serialize_pem(),
            )?)
        } else {
            script.delay(Duration::from_millis(word.parse()?))
        };
    }
    let relay = ScriptedRelay::start(script, ([127, 0, 0, 1], 0).into()).await?;
    println!("{}", relay.addr());
    tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new())).await??;
    relay.stop().await;
    Ok(())
}
