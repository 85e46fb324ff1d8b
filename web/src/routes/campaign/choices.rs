//! What a visitor may do with a campaign as it stands. Pure: the store asks the same again when it is done.

use crate::figures::numbers::count;
use serde::Serialize;
use tidings_campaign::lifecycle::{Action, CampaignState, DeliveryState, UnknownPolicy};
use tidings_store::children::again_name;
use tidings_store::people::Role;
use tidings_store::stats::CampaignSummary;

/// The buttons of a campaign's page.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Choices {
    can_pause: bool,
    can_resume: bool,
    can_cancel: bool,
    can_schedule: bool,
    can_unschedule: bool,
    /// What has not gone out, which a cancelled campaign never sends.
    left: Option<String>,
    again: Option<Again>,
    /// What it says may still be changed.
    can_write: bool,
    /// It can be sent to somebody who tries it.
    can_test: bool,
    /// It was never to go out.
    can_remove: bool,
    /// The name of a draft like it.
    repeat: Option<String>,
    settle: Option<Settle>,
}

/// Once more, to those who were not reached.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Again {
    name: String,
    states: Vec<StateChoice>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct StateChoice {
    word: &'static str,
    n: String,
    means: &'static str,
    /// Nothing speaks against these.
    is_proposed: bool,
}

/// Deliveries whose answer was lost.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Settle {
    n: String,
    can_resend: bool,
    /// Somebody has to decide about them.
    is_open: bool,
}

/// In which states somebody was not reached, or perhaps not.
const NOT_REACHED: [(DeliveryState, &str); 4] = [
    (
        DeliveryState::Rejected,
        "refused for good; addresses that are suppressed by now stay so",
    ),
    (DeliveryState::Expired, "refused for now, until the time was over"),
    (
        DeliveryState::Withheld,
        "not sent: not to be mailed then, or the message could not be made",
    ),
    (
        DeliveryState::Unknown,
        "the relay's answer was lost: some of them have it",
    ),
];

impl Choices {
    pub(super) fn of(summary: &CampaignSummary, role: Role) -> Choices {
        if role < Role::Editor {
            return Choices::default();
        }
        let is_planned = summary.started_at.is_some();
        let can = |action| summary.state.after(action, is_planned).is_ok();
        let open: i64 = DeliveryState::ALL
            .into_iter()
            .filter(|state| state.is_open())
            .map(|state| summary.count(state))
            .sum();
        Choices {
            can_pause: can(Action::Pause),
            can_resume: can(Action::Resume),
            can_cancel: can(Action::Cancel),
            can_schedule: can(Action::Schedule),
            can_unschedule: can(Action::Unschedule),
            left: (open > 0).then(|| count(open)),
            again: again(summary),
            can_write: !is_planned && summary.state != CampaignState::Cancelled,
            can_test: summary.state != CampaignState::Cancelled,
            can_remove: summary.state == CampaignState::Draft,
            repeat: Some(again_name(&summary.name)),
            settle: settle(summary),
        }
    }
}

fn again(summary: &CampaignSummary) -> Option<Again> {
    if !summary.state.is_over() || summary.deliveries_removed_at.is_some() {
        return None;
    }
    let states = NOT_REACHED.iter().filter_map(|&(state, means)| {
        let n = summary.count(state);
        (n > 0).then(|| StateChoice {
            word: state.as_str(),
            n: count(n),
            means,
            is_proposed: state == DeliveryState::Expired,
        })
    });
    let states: Vec<_> = states.collect();
    (!states.is_empty()).then(|| Again {
        name: again_name(&summary.name),
        states,
    })
}

fn settle(summary: &CampaignSummary) -> Option<Settle> {
    let n = summary.count(DeliveryState::Unknown);
    let settle = Settle {
        n: count(n),
        can_resend: summary.state.may_resend() && summary.deliveries_removed_at.is_none(),
        is_open: summary.unknown_policy == UnknownPolicy::Hold,
    };
    (n > 0 && (settle.can_resend || settle.is_open)).then_some(settle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::campaign::tests::summary;

    fn choices(state: CampaignState, counts: &[(DeliveryState, i64)]) -> Choices {
        let summary = CampaignSummary {
            state,
            ..summary(10, counts)
        };
        assert_eq!(Choices::of(&summary, Role::Viewer), Choices::default());
        Choices::of(&summary, Role::Editor)
    }

    #[test]
    fn what_is_offered_is_what_the_state_allows() {
        let sending = choices(CampaignState::Sending, &[(DeliveryState::Planned, 7)]);
        assert!(sending.can_pause && sending.can_cancel && !sending.can_resume);
        assert_eq!(sending.left.as_deref(), Some("7"));
        let held = choices(CampaignState::Held, &[]);
        assert!(held.can_resume && held.can_cancel && !held.can_pause);
        let over = choices(CampaignState::Finished, &[(DeliveryState::Accepted, 10)]);
        let still = Choices {
            can_test: true,
            repeat: Some("Spring, again".to_owned()),
            ..Choices::default()
        };
        assert_eq!(over, still);
    }

    #[test]
    fn a_campaign_that_is_over_goes_again_to_those_whom_it_did_not_reach() {
        let counts = [
            (DeliveryState::Accepted, 7),
            (DeliveryState::Rejected, 2),
            (DeliveryState::Expired, 1),
        ];
        assert_eq!(choices(CampaignState::Sending, &counts).again, None);
        let again = choices(CampaignState::Cancelled, &counts).again.unwrap();
        assert_eq!(again.name, "Spring, again");
        let states: Vec<_> = again
            .states
            .iter()
            .map(|one| (one.word, one.n.as_str(), one.is_proposed))
            .collect();
        assert_eq!(states, [("rejected", "2", false), ("expired", "1", true)]);
    }

    #[test]
    fn the_unknown_of_a_cancelled_campaign_can_only_be_left() {
        let counts = [(DeliveryState::Unknown, 2)];
        let settle = choices(CampaignState::Cancelled, &counts).settle.unwrap();
        assert!(!settle.can_resend && settle.is_open);
        assert!(
            choices(CampaignState::Finished, &counts)
                .settle
                .unwrap()
                .can_resend
        );
    }
}
