//! Fetches of pixels and links: kept with their evidence, judged, and counted, in the transaction that makes them durable.
//!
//! Hits of one recipient are judged in the light of each other (a hit of the trap says who the others were), so what is kept
//! may be judged anew when more comes. Pages read the counters, which follow in the same transaction.

mod deltas;
mod expiring;
mod figures;
mod names;
mod reading;
mod rejudging;
mod turns;
mod waiting;
mod writing;

use crate::engine::{Store, Tx};
use crate::error::StoreError;
use deltas::HitDeltas;
use reading::Standing;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{AT_ONCE, Agent, Evidence, HitKind, HitVerdict, Judged, Network, TRAP_WINDOW};
use writing::Writing;

pub use expiring::Expired;
pub use figures::{HitCount, HitRecipientCount};
pub use names::HitNames;
pub use rejudging::Rejudged;
pub use turns::{HitTurn, HitTurns};
pub(crate) use waiting::{WaitingHit, forget_waiting, waiting_of};

/// Something that was fetched.
#[derive(Clone, Debug)]
pub struct NewHit {
    /// Of which campaign.
    pub campaign: CampaignId,
    /// By whom; nobody where hits are only counted. Then nothing of it is kept but the count.
    pub recipient: Option<RecipientId>,
    /// What.
    pub target: HitTarget,
    /// When.
    pub at: Timestamp,
    /// It was asked for by HEAD.
    pub is_head: bool,
    /// The program said that it fetches beforehand.
    pub is_prefetch: bool,
    /// What the program calls itself.
    pub agent: String,
    /// From where.
    pub network: Option<Network>,
}

impl NewHit {
    fn signs(&self) -> i64 {
        let sign = |holds, bit| if holds { bit } else { 0 };
        sign(self.is_head, SIGN_HEAD) | sign(self.is_prefetch, SIGN_PREFETCH)
    }
}

/// Whose hits are judged together.
type Key = (CampaignId, RecipientId);

/// A hit of a known recipient, kept or to be kept.
#[derive(Clone, Debug)]
struct Kept {
    at: Timestamp,
    target: HitTarget,
    /// Seconds.
    delay: Option<i64>,
    agent_id: Option<i64>,
    agent: Arc<Agent>,
    network: Option<Network>,
    signs: i64,
    /// The verdict and rule as they are kept; nothing if the hit is new.
    judged: Option<(HitVerdict, i64)>,
}

const SIGN_HEAD: i64 = 1;
const SIGN_PREFETCH: i64 = 2;

impl Kept {
    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            at: self.at,
            target: self.target,
            is_head: self.signs & SIGN_HEAD != 0,
            is_prefetch: self.signs & SIGN_PREFETCH != 0,
            agent: &self.agent,
            network: self.network,
            delay: self
                .delay
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
        }
    }
}

/// The hits of one recipient that are judged together, in the order of time.
struct Case {
    key: Key,
    standing: Standing,
    hits: Vec<Kept>,
    /// When the first of the new ones came.
    since: Timestamp,
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// How often a batch is begun again because another process wrote the same rows at the same time.
const TRIES: usize = 10;

impl Store {
    /// Keeps, judges and counts hits, in one transaction: a thousand or so at most. `names` is kept from call to call. Of one
    /// that comes longer than `keep` after its message only the count is kept, as of an anonymous one. A turn that was taken before
    /// is done.
    ///
    /// # Errors
    /// If the database fails. Nothing has been kept then, unless the error is transient: the same turn is to be tried again.
    pub async fn record_hits(
        &self,
        turn: HitTurn,
        hits: &[NewHit],
        names: &mut HitNames<'_>,
        keep: Duration,
    ) -> Result<(), StoreError> {
        turn.forget_others(self, hits).await?;
        names.learn(self, hits).await?;
        let keep = seconds(keep);
        for tries in 0..TRIES {
            match self.try_record(turn, hits, names, (keep, tries > 0)).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.is_deadlock() => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contended)
    }

    /// False if somebody else wrote the same rows meanwhile.
    async fn try_record(
        &self,
        turn: HitTurn,
        hits: &[NewHit],
        names: &mut HitNames<'_>,
        (keep, is_again): (i64, bool),
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        if !turn.take(&mut tx, hits).await? {
            return Ok(true);
        }
        let mut deltas = HitDeltas::default();
        let mut new: BTreeMap<Key, Vec<Kept>> = BTreeMap::new();
        for hit in hits {
            let kept = names.kept(hit);
            match hit.recipient {
                Some(recipient) => new.entry((hit.campaign, recipient)).or_default().push(kept),
                None => {
                    let verdict = names.rules.judge(&[kept.evidence()])[0].verdict;
                    deltas.hit(hit.campaign, hit.at, hit.target, verdict, 1);
                }
            }
        }
        if !judge_and_write(&mut tx, new, names, &mut deltas, (keep, is_again)).await? {
            return Ok(false);
        }
        deltas.write(&mut tx, self.node()).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Judges the hits of each recipient and writes what follows, the counters excepted. False if somebody else wrote the same rows
/// meanwhile: then the transaction must not be committed.
async fn judge_and_write(
    tx: &mut Tx,
    new: BTreeMap<Key, Vec<Kept>>,
    names: &mut HitNames<'_>,
    deltas: &mut HitDeltas,
    (keep, is_again): (i64, bool),
) -> Result<bool, StoreError> {
    let mut writing = Writing::keeping(keep);
    let Some(cases) = reading::judged(tx, new, names, is_again).await? else {
        return Ok(false);
    };
    for (case, judged) in cases {
        case.settle(&judged, names, &mut writing, deltas);
    }
    writing.write(tx, deltas).await
}

impl Case {
    /// Whether all that happened for twice the trap's window must be looked at: the trap was hit, or a judgement that stands
    /// changes.
    fn is_suspicious(&self, judged: &[Judged<'_>], names: &HitNames<'_>) -> bool {
        self.is_trapped() || self.corrections(judged, names).next().is_some()
    }

    fn is_trapped(&self) -> bool {
        let lately = self.since.minus(TRAP_WINDOW);
        self.standing.trapped_at.is_some_and(|at| at >= lately)
            || self
                .hits
                .iter()
                .any(|hit| hit.judged.is_none() && hit.target == HitTarget::Trap)
    }

    /// Kept hits that are judged otherwise now. Only those around the new ones: of older ones not all that speaks for or
    /// against them is in the list.
    fn corrections<'c>(
        &'c self,
        judged: &'c [Judged<'_>],
        names: &'c HitNames<'_>,
    ) -> impl Iterator<Item = (&'c Kept, HitVerdict, (HitVerdict, i64))> {
        let exact_since = self.since.minus(TRAP_WINDOW);
        self.hits.iter().zip(judged).filter_map(move |(hit, judged)| {
            let old = hit.judged?;
            let new = (judged.verdict, names.rule(judged.rule));
            (old != new && hit.at >= exact_since).then_some((hit, old.0, new))
        })
    }

    /// Says what is to be written about this recipient.
    fn settle(
        self,
        judged: &[Judged<'_>],
        names: &HitNames<'_>,
        writing: &mut Writing,
        deltas: &mut HitDeltas,
    ) {
        let campaign = self.key.0;
        let mut standing = self.standing;
        let (mut is_corrected, mut is_told) = (false, false);
        for (hit, old, new) in self.corrections(judged, names) {
            writing.correct(self.key, hit, new);
            deltas.hit(campaign, hit.at, hit.target, old, -1);
            deltas.hit(campaign, hit.at, hit.target, new.0, 1);
            is_corrected = true;
        }
        for (hit, judged) in self.hits.iter().zip(judged) {
            if hit.judged.is_some() {
                continue;
            }
            deltas.hit(campaign, hit.at, hit.target, judged.verdict, 1);
            if writing.keep(self.key, hit, (judged.verdict, names.rule(judged.rule))) {
                standing.saw(hit, judged.verdict);
                is_told = true;
            }
        }
        if is_told || is_corrected {
            writing.stands(self.key, self.standing, standing, is_corrected);
        }
    }
}

/// From when on hits are read for a case: what may be judged anew, and what speaks for or against it.
fn far_back(since: Timestamp) -> Timestamp {
    since.minus(2 * TRAP_WINDOW)
}

/// Enough to see links that are followed at once.
fn a_little_back(since: Timestamp) -> Timestamp {
    since.minus(AT_ONCE)
}

impl Standing {
    /// A new hit, judged.
    fn saw(&mut self, hit: &Kept, verdict: HitVerdict) {
        match HitKind::of(hit.target) {
            Some(HitKind::Open) => {
                self.open = self.open.max(Some(verdict));
                self.opened_at = Some(earlier(self.opened_at, hit.at));
            }
            Some(HitKind::Click) => {
                self.click = self.click.max(Some(verdict));
                self.clicked_at = Some(earlier(self.clicked_at, hit.at));
            }
            None => self.trapped_at = self.trapped_at.max(Some(hit.at)),
        }
    }
}

/// Hits that waited may have come before those that are kept.
fn earlier(known: Option<Timestamp>, at: Timestamp) -> Timestamp {
    known.map_or(at, |known| known.min(at))
}
