//! `tidings relay transcripts`: what was said in sessions that failed.

use crate::context::Context;
use crate::output;
use tidings_campaign::time::Timestamp;
use tidings_store::transcripts::Transcript;

/// More than are kept.
const ALL: i64 = 1000;

/// Prints them, the newest first.
pub async fn run(relay: &str, context: &Context) -> anyhow::Result<()> {
    let kept = context.store().await?.transcripts(relay, ALL).await?;
    if context.json {
        return output::json(&kept);
    }
    if kept.is_empty() {
        let known = context
            .config
            .routing
            .relays
            .iter()
            .any(|known| known.name == relay);
        anyhow::ensure!(
            known,
            "no relay called `{relay}` is configured, and no session with one is kept"
        );
        return output::line(format!("no session with relay {relay} has failed"));
    }
    kept.iter().try_for_each(print)
}

fn print(transcript: &Transcript) -> anyhow::Result<()> {
    output::line(format!("{}  {}", Timestamp(transcript.at), transcript.fault))?;
    transcript
        .text
        .lines()
        .try_for_each(|line| output::line(format!("  {line}")))?;
    output::line("")
}
