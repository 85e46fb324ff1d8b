//! The states of a campaign and of a delivery, and which may follow which.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `draft → scheduled → sending ⇄ paused → finished` or `cancelled`; also `held`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Being written; nothing is planned.
    Draft,
    /// Waits for its time.
    Scheduled,
    /// Its deliveries are planned and go out.
    Sending,
    /// Stopped by a person, may go on.
    Paused,
    /// Stopped by us: a person must look and release it.
    Held,
    /// Every delivery has its outcome.
    Finished,
    /// Ended by a person; what had not gone out never will.
    Cancelled,
}

/// What a person or the scheduler asks of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give it a time.
    Schedule,
    /// Take its time away again.
    Unschedule,
    /// Plan and send.
    Start,
    /// Stop for now.
    Pause,
    /// Go on.
    Resume,
    /// Stop for good.
    Cancel,
    /// Put aside until a person looks.
    Hold,
    /// All outcomes are known.
    Finish,
}

impl Action {
    /// What has been done to the campaign then.
    pub const fn word(self) -> &'static str {
        match self {
            Action::Schedule => "scheduled",
            Action::Unschedule => "taken off the calendar",
            Action::Start => "started",
            Action::Pause => "paused",
            Action::Resume => "resumed",
            Action::Cancel => "cancelled",
            Action::Hold => "held",
            Action::Finish => "finished",
        }
    }
}

/// An action that the state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the campaign is {state} and cannot be {}", action.word())]
pub struct NotAllowed {
    /// Where the campaign is.
    pub state: CampaignState,
    /// What was asked.
    pub action: Action,
}

impl CampaignState {
    /// Every state, in the order of a campaign's life.
    pub const ALL: [CampaignState; 7] = [
        CampaignState::Draft,
        CampaignState::Scheduled,
        CampaignState::Sending,
        CampaignState::Paused,
        CampaignState::Held,
        CampaignState::Finished,
        CampaignState::Cancelled,
    ];

    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            CampaignState::Draft => "draft",
            CampaignState::Scheduled => "scheduled",
            CampaignState::Sending => "sending",
            CampaignState::Paused => "paused",
            CampaignState::Held => "held",
            CampaignState::Finished => "finished",
            CampaignState::Cancelled => "cancelled",
        }
    }

    /// From the database's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether it reaches nobody any more, so that it is known whom it did not reach.
    pub const fn is_over(self) -> bool {
        matches!(self, CampaignState::Finished | CampaignState::Cancelled)
    }

    /// Whether its deliveries whose answer was lost may go out again.
    pub const fn may_resend(self) -> bool {
        !matches!(self, CampaignState::Cancelled)
    }

    /// The state after `action`, or why it is not allowed. `planned`: whether the deliveries exist already,
    /// so that a resumed campaign returns to where it was stopped.
    pub fn after(self, action: Action, planned: bool) -> Result<CampaignState, NotAllowed> {
        use CampaignState as S;
        let next = match (self, action) {
            (S::Draft | S::Scheduled, Action::Schedule) => S::Scheduled,
            (S::Paused | S::Held, Action::Schedule) if !planned => S::Scheduled,
            (S::Scheduled, Action::Unschedule) => S::Draft,
            (S::Paused | S::Held, Action::Unschedule) if !planned => S::Draft,
            (S::Draft | S::Scheduled, Action::Start) => S::Sending,
            (S::Scheduled | S::Sending, Action::Pause) => S::Paused,
            (S::Paused | S::Held, Action::Resume) if planned => S::Sending,
            (S::Paused | S::Held, Action::Resume) => S::Scheduled,
            (S::Draft | S::Scheduled | S::Sending | S::Paused | S::Held, Action::Cancel) => S::Cancelled,
            (S::Scheduled | S::Sending, Action::Hold) => S::Held,
            (S::Sending, Action::Finish) => S::Finished,
            _ => return Err(NotAllowed { state: self, action }),
        };
        Ok(next)
    }
}

impl fmt::Display for CampaignState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a delivery stands in the ledger. `Leased` is stored only for retries; for a first try it is
/// `Planned` inside the range of a living lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Will go out.
    Planned,
    /// A sender holds it and has not put it on the wire.
    Leased,
    /// Committed before the final dot; the relay's answer is awaited.
    OnWire,
    /// The relay took it.
    Accepted,
    /// Refused for now, or waiting for a limit; goes out when due.
    Deferred,
    /// Refused for good.
    Rejected,
    /// Deferred until its time was over.
    Expired,
    /// We chose not to send: not eligible any more, or it cannot be rendered.
    Withheld,
    /// Put on the wire, and the answer is lost: the relay may have taken it.
    Unknown,
}

impl DeliveryState {
    /// Every state, in the order of a delivery's life.
    pub const ALL: [DeliveryState; 9] = [
        DeliveryState::Planned,
        DeliveryState::Leased,
        DeliveryState::OnWire,
        DeliveryState::Accepted,
        DeliveryState::Deferred,
        DeliveryState::Rejected,
        DeliveryState::Expired,
        DeliveryState::Withheld,
        DeliveryState::Unknown,
    ];

    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Planned => "planned",
            DeliveryState::Leased => "leased",
            DeliveryState::OnWire => "on_wire",
            DeliveryState::Accepted => "accepted",
            DeliveryState::Deferred => "deferred",
            DeliveryState::Rejected => "rejected",
            DeliveryState::Expired => "expired",
            DeliveryState::Withheld => "withheld",
            DeliveryState::Unknown => "unknown",
        }
    }

    /// From the database's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether a sender still has to do something about it.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            DeliveryState::Planned | DeliveryState::Leased | DeliveryState::OnWire | DeliveryState::Deferred
        )
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens to a delivery whose answer was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPolicy {
    /// It waits for a person (`tidings campaign settle`).
    #[default]
    Hold,
    /// It goes out again, with the same Message-ID: the recipient may get it twice.
    Resend,
    /// It stays unknown and nobody is asked.
    Skip,
}

impl UnknownPolicy {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            UnknownPolicy::Hold => "hold",
            UnknownPolicy::Resend => "resend",
            UnknownPolicy::Skip => "skip",
        }
    }

    /// From the database's word.
    pub fn parse(word: &str) -> Option<Self> {
        [UnknownPolicy::Hold, UnknownPolicy::Resend, UnknownPolicy::Skip]
            .into_iter()
            .find(|p| p.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::*;
    use CampaignState as S;

    #[test]
    fn a_campaign_goes_through_its_life() {
        let mut state = S::Draft;
        for (action, planned, next) in [
            (Schedule, false, S::Scheduled),
            (Start, false, S::Sending),
            (Pause, true, S::Paused),
            (Resume, true, S::Sending),
            (Finish, true, S::Finished),
        ] {
            state = state.after(action, planned).unwrap();
            assert_eq!(state, next);
        }
    }

    #[test]
    fn a_finished_or_cancelled_campaign_stays_so() {
        for state in [S::Finished, S::Cancelled] {
            for action in [Schedule, Start, Pause, Resume, Cancel, Hold, Finish] {
                assert_eq!(state.after(action, true), Err(NotAllowed { state, action }));
            }
        }
    }

    #[test]
    fn a_paused_campaign_returns_to_where_it_was_stopped() {
        assert_eq!(S::Paused.after(Resume, false), Ok(S::Scheduled));
        assert_eq!(S::Paused.after(Resume, true), Ok(S::Sending));
        assert_eq!(S::Paused.after(Schedule, false), Ok(S::Scheduled));
        assert!(S::Paused.after(Schedule, true).is_err());
    }

    #[test]
    fn words_survive_the_database() {
        for state in S::ALL {
            assert_eq!(S::parse(state.as_str()), Some(state));
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
        }
    }
}
