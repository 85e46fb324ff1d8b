//! How fast the ledger is by itself: batches of deliveries put on the wire and accepted, on a temporary SQLite file.
//! Run: `cargo run --release -p tidings-store --example ledger_rate [BATCH]`.
#![allow(clippy::print_stdout, reason = "printing figures is all that it does")]

use std::time::{Duration, Instant};
use tidings_campaign::address::{AddressError, EmailAddress};
use tidings_campaign::csv_import::Row;
use tidings_campaign::lifecycle::{DeliveryState, UnknownPolicy};
use tidings_campaign::time::Clock;
use tidings_campaign::tracking::Utm;
use tidings_feedback::thresholds::OwnThresholds;
use tidings_store::Store;
use tidings_store::campaigns::{LANGUAGE_ATTRIBUTE, NewCampaign};
use tidings_store::imports::{Import, ImportBatch, NewImport};
use tidings_store::leases::Claim;
use tidings_store::ledger::{Batch, Held, KeptReply, Outcome, Settlement, Tried};

const DELIVERIES: i64 = 100_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let size: usize = std::env::args().nth(1).map_or(Ok(25), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("tidings-ledger-rate-{}", std::process::id()));
    let url = match std::env::var("TIDINGS_TEST_POSTGRES") {
        Ok(url) => url,
        Err(_) => format!("sqlite://{}", folder.join("ledger.db").display()),
    };
    let store = Store::open(&url, "main").await?;
    let outcome = measure(&store, size).await;
    store.close().await;
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

async fn measure(store: &Store, size: usize) -> Result<(), Box<dyn std::error::Error>> {
    let clock = Clock::System;
    let mut import = Import::begin(store, &NewImport::of("news", "none"), clock.now()).await?;
    let rows = (0..DELIVERIES)
        .map(|n| {
            let address = EmailAddress::parse(&format!("reader{n}@example.org"))?;
            Ok(Row {
                line: 1,
                address,
                name: None,
                attributes: "{}".to_owned(),
            })
        })
        .collect::<Result<Vec<_>, AddressError>>()?;
    import.write(ImportBatch::of(&rows), clock.now()).await?;
    let list = store
        .find_list("news")
        .await?
        .ok_or("the import makes the list")?;
    let new = NewCampaign {
        preheader: None,
        own: Vec::new(),
        name: "rate".to_owned(),
        lists: vec![list],
        template: "none".to_owned(),
        subject: String::new(),
        sender: "ann@example.com".to_owned(),
        reply_to: None,
        rate: None,
        unknown_policy: UnknownPolicy::Hold,
        greatest_lateness: Duration::ZERO,
        pool: None,
        max_sessions: None,
        parent: None,
        files: Vec::new(),
        attach_from: None,
        language_attribute: LANGUAGE_ATTRIBUTE.to_owned(),
        thresholds: OwnThresholds::default(),
        tracking: None,
        utm: Utm::default(),
        archive_hidden: false,
    };
    let id = store.create_campaign(&new, clock.now()).await?;
    let planning = Instant::now();
    let planned = store.start_campaign(id, "{}", clock.now()).await?;
    println!("planned {planned} in {:?}", planning.elapsed());
    let now = clock.now();
    let expires_at = now.plus(Duration::from_secs(60));
    let claim = Claim {
        owner: "rate",
        size: planned,
        now,
        expires_at,
    };
    let lease = store.claim(id, claim).await?.ok_or("nothing to claim")?;
    let began = Instant::now();
    let mut settled = Vec::new();
    let (mut number, mut next) = (0, lease.first.0);
    while next <= lease.last.0 || !settled.is_empty() {
        number += 1;
        let end = (next + i64::try_from(size)?).min(lease.last.0 + 1);
        let on_wire: Vec<Held> = (next..end)
            .map(|seq| Held {
                campaign: id,
                seq: tidings_campaign::ids::Seq(seq),
                lease: lease.id,
                waiting: DeliveryState::Planned,
            })
            .collect();
        next = end;
        let batch = Batch {
            number,
            on_wire,
            settled: std::mem::take(&mut settled),
            usage: Vec::new(),
        };
        let granted = store.record(&batch, "rate", expires_at, clock.now()).await?;
        let accepted = |held| Settlement {
            held,
            was_on_wire: true,
            relay: "primary".to_owned(),
            provider: "other",
            outcome: Outcome::Accepted(KeptReply {
                code: 250,
                enhanced: Some("2.0.0".to_owned()),
                text: "Ok".to_owned(),
            }),
            attempt: Some(Tried {
                session: 1,
                began: now,
                took: Duration::from_millis(1),
            }),
        };
        settled = granted.into_iter().map(accepted).collect();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{number} batches of {size}: {:.0} µs a batch, {:.0} messages a second through two committed transitions",
        seconds / number as f64 * 1e6,
        planned as f64 / seconds
    );
    Ok(())
}
