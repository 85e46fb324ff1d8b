//! A turn at the table of shares: what is wanted, and what is held from then on.

use super::super::fair;
use super::using::{Using, WHOLE_SPREAD, forget};
use super::*;

impl Share {
    /// What is wanted, in units: what was used of late and a little more; of what binds, more and more.
    fn wanted(&mut self, is_active: bool, now: Timestamp) -> u64 {
        let since = now.since(self.decided).as_secs_f64().max(0.001);
        let cap = self.allowed(now);
        let (used, memory, is_used_up) = match &mut self.using {
            Using::Pace { rate, passed, .. } => {
                let used = passed.len() as u64;
                (
                    used as f64,
                    rate.unit().as_secs_f64().max(5.0),
                    used * 10 >= cap * 9,
                )
            }
            Using::Sessions { now, most } | Using::Connections { now, most, .. } => {
                let used = std::mem::replace(most, *now);
                (used as f64, 5.0, used >= cap)
            }
            Using::Permits { spent, .. } => (*spent as f64 / since, PERMIT_SECONDS, cap == 0),
            Using::Spread(_) => (0.0, 1.0, true),
        };
        let binds = self.stopped && is_used_up;
        self.binds = binds;
        if !is_active {
            if self.which == Which::Permits {
                self.estimate = 0.0;
            }
            return 0;
        }
        if self.estimate == 0.0 {
            // Nothing is known yet of who has just come. What is used up within a second shows soon that it is too little.
            self.estimate = match self.which {
                Which::Permits => 0.0,
                Which::Second => self.whole as f64 / 4.0,
                Which::Minute | Which::Sessions | Which::Connections | Which::Spread => self.whole as f64,
            };
        } else if self.was_active && !binds {
            // Who comes again wants what was wanted at last: one that sends now and then must not keep much from others each time.
            self.estimate *= (-since / memory).exp();
        }
        self.estimate = self.estimate.max(used).min(self.whole as f64);
        match self.which {
            Which::Spread => WHOLE_SPREAD,
            Which::Permits => {
                let wanted = self.permits_wanted();
                if binds {
                    self.estimate = (wanted * 2) as f64 / PERMIT_SECONDS;
                }
                wanted.min(self.whole)
            }
            Which::Second | Which::Minute | Which::Sessions | Which::Connections => {
                if binds {
                    self.estimate = self.estimate.max((cap.max(1) * 2) as f64 / HEADROOM);
                }
                ((self.estimate * HEADROOM).round() as u64).clamp(1, self.whole)
            }
        }
    }

    /// Units that are held whatever is wanted.
    fn in_use(&mut self, now: Timestamp) -> u64 {
        match &mut self.using {
            Using::Pace { rate, passed, .. } => {
                forget(passed, *rate, now);
                passed.len() as u64
            }
            Using::Sessions { now, .. } | Using::Connections { now, .. } => *now,
            Using::Spread(_) | Using::Permits { .. } => 0,
        }
    }

    /// Decides what is held from this round on. `rows`: everybody's of this limit; `used`: what was asked for. What is to be less
    /// is less from now on, what is more comes with [`Share::end`].
    pub(in crate::limits) fn decide(
        &mut self,
        rows: &[&ShareRow],
        used: &[UsedSince],
        (me, round, now): (&str, &Round, Timestamp),
        changes: &mut ShareChanges,
    ) {
        let is_active = self.is_active(round.began) && !round.leaving;
        self.lease = round.lease;
        let mut lost = 0;
        for row in rows.iter().filter(|row| row.valid_until <= round.at.0) {
            if row.valid_until > round.at.minus(REMEMBERED).0 {
                lost += row.held.unsigned_abs();
            }
            if row.owner != me {
                let key = (row.place.clone(), row.which.clone(), row.owner.clone());
                changes.removed.push(key);
            }
        }
        let of_me = rows.iter().find(|row| row.owner == me);
        let living: Vec<&ShareRow> = rows
            .iter()
            .copied()
            .filter(|row| row.valid_until > round.at.0)
            .collect();
        let own = living.iter().copied().find(|row| row.owner == me);
        let spent = self.unwritten(own, now);
        let used_now = spent + if self.which == Which::Permits { lost } else { 0 };
        if used_now > 0 {
            changes.used.push(Usage {
                limit: Arc::clone(&self.place),
                n: i64::try_from(used_now).unwrap_or(i64::MAX),
            });
        }
        let in_use = self.in_use(now);
        let wanted = self.wanted(is_active, now);
        let held = own.map_or(0, |row| row.held.unsigned_abs().saturating_sub(spent));
        let new = match self.total(used, used_now, round) {
            Some(total) => self.aimed_at(total, held, wanted, &living, me, round),
            // Enough is there; nothing was asked.
            None if wanted * 2 < held => wanted,
            None => held,
        };
        self.was_active = is_active;
        self.decided = now;
        self.stopped = false;
        if new < self.cap {
            self.set_cap(new, now);
        }
        let to_hold = new.max(in_use);
        if !is_active && to_hold == 0 {
            if of_me.is_some() {
                let key = (
                    self.place.to_string(),
                    self.which.word().to_owned(),
                    me.to_owned(),
                );
                changes.removed.push(key);
            }
            self.has_row = of_me.is_some();
            self.pend(round, new, spent);
            return;
        }
        let is_said = own.is_some_and(|row| {
            row.held.unsigned_abs() == to_hold
                && row.wanted.unsigned_abs().abs_diff(wanted) * 10 <= row.wanted.unsigned_abs()
        });
        let is_fresh = self.usable_until.since(now) > USABLE - RENEWED;
        if is_said && is_fresh && spent == 0 && !round.leaving {
            self.set_cap(new, now);
            return;
        }
        let lasts = if round.leaving { Duration::ZERO } else { VALID };
        changes.put.push(ShareRow {
            place: self.place.to_string(),
            which: self.which.word().to_owned(),
            owner: me.to_owned(),
            held: i64::try_from(to_hold).unwrap_or(i64::MAX),
            wanted: i64::try_from(wanted).unwrap_or(i64::MAX),
            round: round.number,
            valid_until: round.at.plus(lasts + self.which.counts_for(round.lease)).0,
        });
        self.has_row = true;
        self.pend(round, new, spent);
    }

    /// Permits that were used and are not written down yet. A round before this one may have been committed although it
    /// seemed to fail; without a row everything that was held has been written down as used.
    fn unwritten(&mut self, own: Option<&ShareRow>, now: Timestamp) -> u64 {
        let pending = self.pending.take();
        if own.is_none() {
            self.set_cap(0, now);
        }
        let Using::Permits { spent, .. } = &mut self.using else {
            return 0;
        };
        match (own, pending) {
            (None, _) => *spent = 0,
            (Some(row), Some(pending)) if row.round == pending.round => *spent -= pending.spent,
            (Some(_), _) => {}
        }
        *spent
    }

    /// How many units there are to be held by all; none if it was not asked for.
    fn total(&mut self, used: &[UsedSince], used_now: u64, round: &Round) -> Option<u64> {
        let Using::Permits { allowances, asks, .. } = &mut self.using else {
            return Some(self.whole);
        };
        if !*asks {
            return None;
        }
        for allowance in allowances.iter_mut() {
            let since = allowance.since(round.at);
            let found = used.iter().find(|used| used.since == since);
            let before = found.map_or(0, |used| used.n.unsigned_abs());
            allowance.left = u64::from(allowance.rate.messages()).saturating_sub(before + used_now);
            let first = found.map_or(round.at.minute(), |used| used.first);
            allowance.back = Timestamp((first + 1 + allowance.minutes()) * 60_000_000);
        }
        let least = allowances.iter().min_by_key(|allowance| allowance.left)?;
        self.bound = Bound::Rate(least.rate);
        Some(least.left)
    }

    /// What this process is to hold: its fair part, and what is free of it if that is more than it has.
    fn aimed_at(
        &self,
        total: u64,
        held: u64,
        wanted: u64,
        living: &[&ShareRow],
        me: &str,
        round: &Round,
    ) -> u64 {
        let others = living.iter().filter(|row| row.owner != me);
        let of_others: u64 = others.clone().map(|row| row.held.unsigned_abs()).sum();
        let mut all: Vec<(&str, u64)> = others
            .map(|row| (row.owner.as_str(), row.wanted.unsigned_abs()))
            .collect();
        all.push((me, wanted));
        all.sort_unstable();
        let place = all.iter().position(|(owner, _)| *owner == me);
        let place = place.expect("this process is among all");
        let wants: Vec<u64> = all.iter().map(|(_, wanted)| (*wanted).min(self.whole)).collect();
        let turn = round.at.0.unsigned_abs() / self.which.turn().as_micros() as u64;
        let fair = fair::part(total, &wants, place, self.which.rest(self.binds), turn);
        let free = total.saturating_sub(of_others);
        if fair <= held {
            let wanted_by_others = wants.iter().sum::<u64>() - wants[place];
            fair.max(
                self.rests(round)
                    .min(held)
                    .min(total.saturating_sub(wanted_by_others)),
            )
        } else {
            held.max(fair.min(free))
        }
    }

    /// Connections that may stay open without mail as long as nobody else wants them: until they have been idle for too long.
    fn rests(&self, round: &Round) -> u64 {
        match &self.using {
            Using::Connections { now, .. } if !round.leaving => *now,
            _ => 0,
        }
    }

    fn pend(&mut self, round: &Round, grant: u64, spent: u64) {
        self.pending = Some(Pending {
            round: round.number,
            grant,
            spent,
            usable_until: round.began.plus(USABLE),
        });
    }

    /// The round is over. Without a commit that is known of, the next one finds out what became of it.
    pub(in crate::limits) fn end(&mut self, committed: bool, now: Timestamp) {
        if !committed {
            return;
        }
        let Some(pending) = self.pending.take() else {
            return;
        };
        let mut grant = pending.grant;
        if let Using::Permits { spent, .. } = &mut self.using {
            *spent -= pending.spent;
            grant = grant.saturating_sub(*spent);
        }
        self.set_cap(grant, now);
        self.usable_until = pending.usable_until;
    }
}
