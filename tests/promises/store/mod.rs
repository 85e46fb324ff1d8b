//! What the store promises to the sender, the pages and the commands: every public function of it, on both engines.
//! After each of these promises the counters of every campaign are compared with its ledger.

mod archive;
mod attempts;
mod beside;
mod bounces;
mod campaign_files;
mod campaigns;
mod children;
mod deliveries;
mod domain_providers;
mod exports;
mod feedback;
mod flow;
mod hits;
mod hits_beside;
mod imports;
mod imports_cut_off;
mod keys;
mod leases;
mod ledger;
mod letters;
mod limit_shares;
mod limits;
mod links;
mod nodes;
mod others;
mod outages;
mod people;
mod preferences;
mod preflights;
mod recipients_and_lists;
mod retention;
mod scheduling;
mod second_factor;
mod sign_ups;
mod standings;
mod stats;
mod suppressing;
mod suppressions;
mod templates;
mod thresholds;
mod transfer;
mod translations;
mod undo;
mod waiting_hits;
mod wishes;
mod writing;

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::csv_import::{Counts, Row};
use tidings_campaign::ids::{CampaignId, ImportId, LeaseId, ListId, RecipientId, Seq};
use tidings_campaign::lifecycle::{DeliveryState, UnknownPolicy};
use tidings_campaign::recipient::Subscription;
use tidings_campaign::schedule::Schedule;
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::Utm;
use tidings_feedback::thresholds::OwnThresholds;
use tidings_feedback::verdict::{Cause, Class, Ruling, Verdict};
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::campaigns::{LANGUAGE_ATTRIBUTE, NewCampaign};
use tidings_store::deliveries::ListedDelivery;
use tidings_store::imports::{Import, ImportBatch, NewImport};
use tidings_store::leases::{Claim, Lease};
use tidings_store::ledger::{Batch, Held, KeptReply, Outcome, Settlement, Tried, Usage};
use tidings_store::list_changes::{ListChange, ListChanged};
use tidings_store::scheduling::Start;

/// When a promise begins: the beginning of a minute and of a day.
const START: Timestamp = Timestamp::from_seconds(20_000 * 86_400);
/// For how long a lease is taken.
const LEASE: Duration = Duration::from_secs(30);

/// So many seconds after the start.
fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn row(mailbox: &str, name: Option<&str>, attributes: &str) -> Row {
    Row {
        line: 2,
        address: address(mailbox),
        name: name.map(str::to_owned),
        attributes: attributes.to_owned(),
    }
}

/// The address of reader `i`, who is delivery `i` of a campaign to [`readers`] alone.
fn reader(i: usize) -> String {
    format!("reader{i:05}@example.org")
}

fn readers(n: usize) -> Vec<Row> {
    (1..=n)
        .map(|i| {
            row(
                &reader(i),
                Some(&format!("Reader {i}")),
                r#"{"city":"Springfield"}"#,
            )
        })
        .collect()
}

/// Imports these rows in one batch.
async fn import(store: &Store, list: &str, rows: &[Row]) -> Counts {
    import_at(store, list, rows, START).await.1
}

/// The same at another time; with the import's id.
async fn import_at(store: &Store, list: &str, rows: &[Row], now: Timestamp) -> (ImportId, Counts) {
    let mut import = Import::begin(store, &NewImport::of(list, "readers.csv"), now)
        .await
        .unwrap();
    let counts = import.write(ImportBatch::of(rows), now).await.unwrap();
    let id = import.id();
    import.finish(now).await.unwrap();
    (id, counts)
}

/// Whether the list of this name is as it was wished then.
async fn changed(store: &Store, name: &str, change: ListChange<'_>) -> bool {
    let by = By::command_line();
    store.change_list(name, change, &by, START).await.unwrap() == ListChanged::Done
}

async fn list(store: &Store, name: &str) -> ListId {
    store.find_or_create_list(name, START).await.unwrap()
}

async fn recipient_id(store: &Store, mailbox: &str) -> RecipientId {
    let found = store.find_recipient(&address(mailbox)).await.unwrap();
    found.unwrap_or_else(|| panic!("{mailbox} is not known")).id
}

/// Suppresses an address for a complaint.
async fn suppress(store: &Store, mailbox: &str) {
    let address = address(mailbox);
    let new = store.suppress(&address, "complaint", "a report", START).await;
    assert!(new.unwrap(), "{mailbox} is suppressed already");
}

fn spring_news(lists: Vec<ListId>) -> NewCampaign {
    NewCampaign {
        preheader: None,
        own: Vec::new(),
        name: "Spring news".to_owned(),
        lists,
        template: "spring".to_owned(),
        subject: "Spring news for {{name}}".to_owned(),
        sender: "Example News <news@example.com>".to_owned(),
        reply_to: None,
        rate: None,
        unknown_policy: UnknownPolicy::Hold,
        greatest_lateness: Duration::from_secs(3600),
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
    }
}

/// A draft to the lists of these names.
/// A start at that time, as fast as the limits let it.
fn starts(schedule: &Schedule) -> Start {
    Start {
        schedule: schedule.clone(),
        spread: None,
        greatest_lateness: None,
        cleared: None,
    }
}

async fn draft(store: &Store, lists: &[&str]) -> CampaignId {
    draft_with(store, lists, UnknownPolicy::Hold).await
}

async fn draft_with(store: &Store, lists: &[&str], unknown_policy: UnknownPolicy) -> CampaignId {
    let mut ids = Vec::new();
    for name in lists {
        ids.push(list(store, name).await);
    }
    let new = NewCampaign {
        unknown_policy,
        ..spring_news(ids)
    };
    store.create_campaign(&new, START).await.unwrap()
}

/// A campaign with `n` planned deliveries.
async fn sending(store: &Store, n: usize) -> CampaignId {
    sending_with(store, n, UnknownPolicy::Hold).await
}

async fn sending_with(store: &Store, n: usize, policy: UnknownPolicy) -> CampaignId {
    import(store, "readers", &readers(n)).await;
    let campaign = draft_with(store, &["readers"], policy).await;
    let planned = store.start_campaign(campaign, "{}", START).await.unwrap();
    assert_eq!(planned, n as i64);
    campaign
}

/// What the lists of a campaign say of a recipient.
async fn standing(store: &Store, campaign: CampaignId, mailbox: &str) -> Vec<Subscription> {
    let recipient = recipient_id(store, mailbox).await;
    let standing = store.standing(campaign, recipient).await.unwrap();
    standing
        .subscriptions
        .into_iter()
        .map(|(_, state)| state)
        .collect()
}

async fn listed(store: &Store, campaign: CampaignId, seq: i64) -> ListedDelivery {
    let page = store
        .list_deliveries(campaign, None, Seq(seq - 1), 1)
        .await
        .unwrap();
    page.into_iter().next().unwrap()
}

/// The places of the deliveries in this state.
async fn seqs(store: &Store, campaign: CampaignId, state: DeliveryState) -> Vec<i64> {
    let page = store
        .list_deliveries(campaign, Some(state), Seq(0), 100_000)
        .await
        .unwrap();
    page.into_iter().map(|delivery| delivery.seq).collect()
}

/// A lease's delivery in the hands of its sender.
fn held(lease: &Lease, seq: i64) -> Held {
    Held {
        campaign: lease.campaign,
        seq: Seq(seq),
        lease: lease.id,
        waiting: lease.waiting_state(),
    }
}

/// All deliveries of a range.
fn all_of(lease: &Lease) -> Vec<Held> {
    (lease.first.0..=lease.last.0)
        .map(|seq| held(lease, seq))
        .collect()
}

fn kept(code: u16, text: &str) -> KeptReply {
    KeptReply {
        code,
        enhanced: Some(format!("{}.0.0", code / 100)),
        text: text.to_owned(),
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted(kept(250, "queued"))
}

fn ruling(class: Class, cause: Cause, reason: &'static str, rule: &str) -> Ruling {
    Ruling {
        verdict: Verdict { class, cause, reason },
        rule: rule.to_owned(),
    }
}

fn busy() -> Ruling {
    ruling(Class::Soft, Cause::Rate, "speeding", "too-fast")
}

fn no_such_user() -> Ruling {
    ruling(Class::Hard, Cause::Address, "userunknown", "no-such-mailbox")
}

fn deferred(due: Timestamp) -> Outcome {
    Outcome::Deferred(kept(451, "try again later"), busy(), due)
}

fn rejected() -> Outcome {
    Outcome::Rejected(kept(550, "no such user"), no_such_user())
}

/// Refused for what is in the message.
fn blocked() -> Outcome {
    let ruling = ruling(Class::Block, Cause::Content, "spamdetected", "spam");
    Outcome::Rejected(kept(554, "spam"), ruling)
}

fn unknown(policy: UnknownPolicy) -> Outcome {
    Outcome::Unknown {
        detail: "the connection broke".to_owned(),
        policy,
    }
}

fn put_aside(limit: &str, due: Timestamp) -> Outcome {
    Outcome::PutAside {
        limit: limit.into(),
        due,
    }
}

/// The second session of a process tried it for 40 ms, from so many seconds after the start.
fn tried(began: u64) -> Option<Tried> {
    Some(Tried {
        session: 2,
        began: at(began),
        took: Duration::from_millis(40),
    })
}

fn withheld() -> Outcome {
    Outcome::Withheld {
        reason: "unsubscribed",
        detail: "left all lists".to_owned(),
    }
}

/// The outcome of a delivery that was on the wire.
fn settled(held: Held, outcome: Outcome) -> Settlement {
    Settlement {
        held,
        was_on_wire: true,
        relay: "primary".to_owned(),
        provider: "other",
        outcome,
        attempt: None,
    }
}

/// The outcome of a delivery that never went on the wire.
fn settled_before(held: Held, outcome: Outcome) -> Settlement {
    Settlement {
        was_on_wire: false,
        ..settled(held, outcome)
    }
}

/// A sender as the store sees it: an owner of leases who counts its batches, and whose clock is set by the promise.
struct Sender<'s> {
    store: &'s Store,
    owner: &'static str,
    batches: Cell<i64>,
    now: Cell<Timestamp>,
}

impl<'s> Sender<'s> {
    fn new(store: &'s Store, owner: &'static str) -> Self {
        Sender {
            store,
            owner,
            batches: Cell::new(0),
            now: Cell::new(START),
        }
    }

    /// From now on it is so many seconds after the start.
    fn it_is(&self, seconds: u64) {
        self.now.set(at(seconds));
    }

    async fn try_claim(&self, campaign: CampaignId, size: i64) -> Option<Lease> {
        let now = self.now.get();
        let claim = Claim {
            owner: self.owner,
            size,
            now,
            expires_at: now.plus(LEASE),
        };
        self.store.claim(campaign, claim).await.unwrap()
    }

    async fn claim(&self, campaign: CampaignId, size: i64) -> Lease {
        let lease = self.try_claim(campaign, size).await;
        lease.unwrap_or_else(|| panic!("{} gets no lease", self.owner))
    }

    fn batch(&self, on_wire: Vec<Held>, settled: Vec<Settlement>) -> Batch {
        self.batches.set(self.batches.get() + 1);
        Batch {
            number: self.batches.get(),
            on_wire,
            settled,
            usage: Vec::new(),
        }
    }

    /// Commits that limits were used, with deliveries that go on the wire or not.
    async fn uses(&self, on_wire: Vec<Held>, usage: &[(&str, i64)]) -> HashSet<Held> {
        let used = |(limit, n): &(&str, i64)| Usage {
            limit: (*limit).into(),
            n: *n,
        };
        let mut batch = self.batch(on_wire, Vec::new());
        batch.usage = usage.iter().map(used).collect();
        self.commit(&batch).await
    }

    async fn commit(&self, batch: &Batch) -> HashSet<Held> {
        let now = self.now.get();
        let until = now.plus(LEASE);
        self.store.record(batch, self.owner, until, now).await.unwrap()
    }

    async fn record(&self, on_wire: Vec<Held>, settled: Vec<Settlement>) -> HashSet<Held> {
        self.commit(&self.batch(on_wire, settled)).await
    }

    /// Puts deliveries on the wire, all of which must be granted.
    async fn put_on_wire(&self, deliveries: &[Held]) {
        let granted = self.record(deliveries.to_vec(), Vec::new()).await;
        assert_eq!(granted, deliveries.iter().copied().collect());
    }

    /// Reports the same outcome for deliveries that are on the wire.
    async fn settle(&self, deliveries: &[Held], outcome: &Outcome) {
        let settled = deliveries.iter().map(|held| settled(*held, outcome.clone()));
        self.record(Vec::new(), settled.collect()).await;
    }

    /// Sends deliveries, all with the same outcome.
    async fn send(&self, deliveries: &[Held], outcome: &Outcome) {
        self.put_on_wire(deliveries).await;
        self.settle(deliveries, outcome).await;
    }

    /// Says that nothing of the lease is left to do.
    async fn done_with(&self, lease: &Lease) {
        self.store.release(lease.id, self.owner, false).await.unwrap();
    }

    /// Gives the lease back with what is left of it.
    async fn give_back(&self, lease: &Lease) {
        self.store.release(lease.id, self.owner, true).await.unwrap();
    }

    async fn renew(&self, leases: &[LeaseId]) -> Vec<LeaseId> {
        let until = self.now.get().plus(LEASE);
        self.store.renew(leases, self.owner, until).await.unwrap()
    }
}

/// The public functions in a source file, as far as they begin a line.
fn public_functions(source: &str) -> Vec<String> {
    let after_pub = |line: &str| {
        let line = line.trim_start().strip_prefix("pub ")?;
        let line = line.strip_prefix("const ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line);
        let name = line.strip_prefix("fn ")?;
        name.split(['(', '<']).next().map(str::to_owned)
    };
    source.lines().filter_map(after_pub).collect()
}

fn sources_in(folder: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![folder];
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => sources.push_str(&std::fs::read_to_string(path).unwrap()),
            }
        }
    }
    sources
}

#[test]
fn no_public_function_of_the_store_is_left_out() {
    let functions = public_functions(&sources_in("../crates/store/src"));
    assert!(functions.len() > 50, "they are not found any more: {functions:?}");
    let promises = sources_in("promises/store");
    let called = |name: &str| {
        [".", "::", "= "]
            .iter()
            .any(|before| promises.contains(&format!("{before}{name}(")))
    };
    let left_out: Vec<_> = functions.iter().filter(|name| !called(name)).collect();
    assert!(left_out.is_empty(), "without a promise: {left_out:?}");
}
