//! All limits that this process keeps together with other senders: what it has of each, and its turns at the table where they
//! are written down.

use super::share::{Allowance, Progress, Round, Share, Using, WHOLE_SPREAD, Which};
use super::{Bound, Limit, NodeId, Path, Place, Tree};
use crate::pace::Rate;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::time::Timestamp;
use tidings_store::limit_shares::{ShareChanges, ShareRow, SharesAsked, SharesSeen, UsedSince};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShareId(usize);

/// See the module.
#[derive(Debug)]
pub(super) struct Shares {
    /// The name under which this process holds its parts.
    owner: Arc<str>,
    all: Vec<Share>,
    index: HashMap<(Arc<str>, Which), ShareId>,
    /// Somebody waits for a part, and a round at once may help.
    hungry: bool,
}

impl Shares {
    pub(super) fn new(owner: Arc<str>) -> Shares {
        Shares {
            owner,
            all: Vec::new(),
            index: HashMap::new(),
            hungry: false,
        }
    }

    /// The shares of a place's limits: those that messages are counted by, and that of its sessions.
    pub(super) fn of(
        &mut self,
        place: &Place,
        limits: &[Limit],
        now: Timestamp,
    ) -> (Vec<ShareId>, Option<ShareId>) {
        let place: Arc<str> = place.to_string().into();
        let rates = || limits.iter().flat_map(|limit| &limit.rates).copied();
        let mut ids = Vec::new();
        for (which, unit) in [(Which::Second, 1), (Which::Minute, 60)] {
            let of_unit = rates().filter(|rate| rate.unit() == Duration::from_secs(unit));
            // Of two limits in the same unit, the lower one is both.
            if let Some(rate) = of_unit.min_by_key(Rate::messages) {
                let using = Using::Pace {
                    rate,
                    passed: VecDeque::new(),
                    even: None,
                };
                let whole = u64::from(rate.messages());
                ids.push(self.add(&place, which, Bound::Rate(rate), whole, using, now));
            }
        }
        let allowances = rates().filter(|rate| rate.allowance_minutes().is_some());
        if let Some(least) = allowances.clone().min_by_key(Rate::messages) {
            let using = Using::Permits {
                allowances: allowances.map(Allowance::new).collect(),
                spent: 0,
                asks: false,
            };
            let whole = u64::from(least.messages());
            ids.push(self.add(&place, Which::Permits, Bound::Rate(least), whole, using, now));
        }
        if let Some(spread) = limits.iter().find_map(|limit| limit.spread) {
            let using = Using::Spread(Progress::new(spread, now));
            let bound = Bound::Spread(spread);
            ids.push(self.add(&place, Which::Spread, bound, WHOLE_SPREAD, using, now));
        }
        let sessions = limits.iter().filter_map(|limit| limit.max_sessions).min();
        let sessions = sessions.map(|most| {
            let using = Using::Sessions { now: 0, most: 0 };
            self.add(
                &place,
                Which::Sessions,
                Bound::Sessions(most),
                most as u64,
                using,
                now,
            )
        });
        (ids, sessions)
    }

    fn add(
        &mut self,
        place: &Arc<str>,
        which: Which,
        bound: Bound,
        whole: u64,
        using: Using,
        now: Timestamp,
    ) -> ShareId {
        if let Some(known) = self.index.get(&(Arc::clone(place), which)) {
            self.all[known.0].change(bound, whole, using, now);
            return *known;
        }
        let id = ShareId(self.all.len());
        self.all
            .push(Share::new(Arc::clone(place), which, bound, whole, using));
        self.index.insert((Arc::clone(place), which), id);
        id
    }

    /// The share of a relay's connections.
    pub(super) fn of_connections(&mut self, relay: &Arc<str>, most: usize, now: Timestamp) -> ShareId {
        let place: Arc<str> = Place::Relay(Arc::clone(relay)).to_string().into();
        let using = Using::Connections {
            now: 0,
            most: 0,
            closing: Vec::new(),
        };
        let (which, bound) = (Which::Connections, Bound::Sessions(most));
        self.add(&place, which, bound, most as u64, using, now)
    }

    /// A share, and where it is noted that somebody waits for a part.
    pub(super) fn share_mut(&mut self, id: ShareId) -> (&mut Share, &mut bool) {
        (&mut self.all[id.0], &mut self.hungry)
    }

    pub(super) fn bound(&self, id: ShareId) -> Bound {
        self.all[id.0].bound
    }

    /// When the next message may pass: `now`, or later.
    pub(super) fn next(&mut self, id: ShareId, now: Timestamp) -> Timestamp {
        let share = &mut self.all[id.0];
        share.note_ask(now);
        let until = share.next(now);
        if until > now {
            self.hungry |= share.note_stop(now);
        }
        until
    }

    pub(super) fn take(&mut self, id: ShareId, now: Timestamp) {
        self.all[id.0].take(now);
    }

    /// Whether a session may carry one more message where `sessions` do so now, and it is one of them or not.
    pub(super) fn lets_session(
        &mut self,
        id: ShareId,
        sessions: usize,
        is_one_of_them: bool,
        now: Timestamp,
    ) -> bool {
        let share = &mut self.all[id.0];
        share.note_ask(now);
        // Where too many are at work, each waits until enough have let go.
        let lets = sessions as u64 + u64::from(!is_one_of_them) <= share.allowed(now);
        if !lets {
            self.hungry |= share.note_stop(now);
        }
        lets
    }

    pub(super) fn count_sessions(&mut self, id: ShareId, n: usize) {
        self.all[id.0].count_sessions(n);
    }

    pub(super) fn time_for(&self, id: ShareId, messages: u64, now: Timestamp) -> f64 {
        self.all[id.0].time_for(messages, now)
    }

    pub(super) fn per_second(&self, id: ShareId) -> Option<f64> {
        self.all[id.0].per_second()
    }

    fn begin(&mut self, round: &Round) -> Option<SharesAsked> {
        let mut asked = SharesAsked::default();
        for share in &mut self.all {
            if share.begin(round, &mut asked.used_since) {
                asked.places.push(share.place.to_string());
            }
        }
        asked.places.sort_unstable();
        asked.places.dedup();
        (!asked.places.is_empty()).then_some(asked)
    }

    fn decide(&mut self, seen: &SharesSeen, round: &Round, now: Timestamp) -> ShareChanges {
        let mut rows: HashMap<(&str, &str), Vec<&ShareRow>> = HashMap::new();
        for row in &seen.rows {
            rows.entry((&row.place, &row.which)).or_default().push(row);
        }
        let mut used: HashMap<&str, Vec<UsedSince>> = HashMap::new();
        for one in &seen.used {
            used.entry(&one.place).or_default().push(one.clone());
        }
        let mut changes = ShareChanges::default();
        for share in self.all.iter_mut().filter(|share| share.is_in_round()) {
            let place = Arc::clone(&share.place);
            let rows = rows
                .get(&(&*place, share.which.word()))
                .map_or(&[][..], Vec::as_slice);
            let used = used.get(&*place).map_or(&[][..], Vec::as_slice);
            share.decide(rows, used, (&self.owner, round, now), &mut changes);
        }
        changes
    }
}

/// What several senders keep together.
impl Tree {
    /// From now on this process has only a part of each limit, under this name. Before the first [`Path`] is made.
    pub(crate) fn share(&mut self, owner: Arc<str>) {
        self.shares = Some(Shares::new(owner));
    }

    /// Whether this process has only a part of each limit.
    pub(crate) fn is_shared(&self) -> bool {
        self.shares.is_some()
    }

    /// Whether somebody waits for a part that a round at once may bring, since the last call.
    pub(crate) fn take_hungry(&mut self) -> bool {
        self.shares
            .as_mut()
            .is_some_and(|shares| std::mem::take(&mut shares.hungry))
    }

    /// What is to be asked in a round; none if there is nothing to divide.
    pub(crate) fn begin_round(&mut self, round: &Round) -> Option<SharesAsked> {
        self.shares.as_mut()?.begin(round)
    }

    /// Decides what this process holds from this round on. What becomes less is less from now on.
    pub(crate) fn decide(&mut self, seen: &SharesSeen, round: &Round, now: Timestamp) -> ShareChanges {
        let shares = self.shares.as_mut();
        shares.map_or_else(ShareChanges::default, |shares| shares.decide(seen, round, now))
    }

    /// What was decided is committed, and what became more is more from now on; or nobody knows what became of it.
    pub(crate) fn end_round(&mut self, committed: bool, now: Timestamp) {
        for share in self.shares.iter_mut().flat_map(|shares| &mut shares.all) {
            share.end(committed, now);
        }
    }

    /// Messages per second that this process may hand to a provider, as far as its rates tell.
    pub(crate) fn provider_per_second(&self, provider: &Arc<str>) -> Option<f64> {
        if let Some(shares) = &self.shares {
            let NodeId(at) = *self.index.get(&Place::Provider(Arc::clone(provider)))?;
            let ids = self.nodes[at].shared();
            return ids.filter_map(|id| shares.per_second(id)).reduce(f64::min);
        }
        let own = self.settings.providers.get(&**provider);
        let limit = own.or(self.settings.other_providers.as_ref())?;
        limit.rates.iter().map(Rate::per_second).reduce(f64::min)
    }

    /// Whether a place on the path has no part for this process as yet, so that nothing is known of its speed.
    pub(crate) fn has_no_part(&self, path: &Path, now: Timestamp) -> bool {
        let Some(shares) = &self.shares else {
            return false;
        };
        let mut ids = path.nodes.iter().flat_map(|id| self.nodes[id.0].shared());
        ids.any(|id| shares.all[id.0].is_new(now))
    }
}
