//! The paths of all pixels, tracked links and unsubscribe links of a campaign, as they stand in its messages: for `cargo xtask bench
//! hits`.
//!
//! `hit_paths DATABASE CAMPAIGN RECIPIENTS PIXELS CLICKS LEAVES`: writes three files, each in an order that looks like chance. The
//! recipients are those of a first import: numbered from 1. Every tenth of those who leave does so twice.

use std::fs::File;
use std::io::{BufWriter, Error, Write};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Clock;
use tidings_campaign::token::{HitTarget, HitToken, KeyRing, UnsubscribeToken};
use tidings_store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, campaign, recipients, pixels, clicks, leaves] = &arguments[..] else {
        return Err(Error::other(
            "hit_paths DATABASE CAMPAIGN RECIPIENTS PIXELS CLICKS LEAVES",
        ));
    };
    let recipients: usize = recipients.parse().map_err(Error::other)?;
    let campaign = campaign.parse().map(CampaignId).map_err(Error::other)?;
    let store = Store::open(database, "bench").await.map_err(Error::other)?;
    let keys = store.key_ring(Clock::System.now()).await.map_err(Error::other)?;
    let links = store.links_of(campaign).await.map_err(Error::other)?;
    if links.is_empty() {
        return Err(Error::other("the campaign has no tracked links"));
    }
    let mut out = BufWriter::new(File::create(pixels)?);
    for n in shuffled(recipients) {
        writeln!(out, "/o/{}.gif", path(&keys, campaign, n, HitTarget::Pixel))?;
    }
    out.flush()?;
    let mut out = BufWriter::new(File::create(clicks)?);
    for n in shuffled(recipients) {
        let number = links[n % links.len()].number;
        writeln!(out, "/c/{}", path(&keys, campaign, n, HitTarget::Link(number)))?;
    }
    out.flush()?;
    let mut out = BufWriter::new(File::create(leaves)?);
    for n in shuffled(recipients) {
        let token = UnsubscribeToken {
            campaign,
            recipient: RecipientId(n as i64 + 1),
        };
        let path = format!("/u/{}", token.sign(&keys));
        for _ in 0..if n % 10 == 0 { 2 } else { 1 } {
            writeln!(out, "{path}")?;
        }
    }
    out.flush()
}

fn path(keys: &KeyRing, campaign: CampaignId, place: usize, target: HitTarget) -> String {
    let mut text = String::new();
    let recipient = Some(RecipientId(place as i64 + 1));
    HitToken {
        campaign,
        recipient,
        target,
    }
    .sign_into(keys, &mut text);
    text
}

/// All numbers below `n`, in another order: steps of a length that has no divisor in common with `n`.
fn shuffled(n: usize) -> impl Iterator<Item = usize> {
    let mut step = n * 5 / 8 + 1;
    while divisor(step, n) != 1 {
        step += 1;
    }
    (0..n).map(move |place| place * step % n)
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}
