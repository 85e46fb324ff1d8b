//! The one place where it is decided whether a recipient may be mailed.

use crate::ids::ListId;
use crate::recipient::{Recipient, Subscription};
use crate::time::Timestamp;
use serde::Serialize;

/// What is known about a recipient's wish when a campaign is about to mail it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The standings on the campaign's lists, one for each list the recipient has ever been on.
    pub subscriptions: Vec<(ListId, Subscription)>,
    /// Why the address must not be mailed, if it must not.
    pub suppression: Option<String>,
    /// Until when the recipient wants no mail from any list, if they have asked for a pause. It may be over.
    pub paused_until: Option<Timestamp>,
}

impl Standing {
    /// The oldest of the campaign's lists on which the recipient is confirmed.
    pub fn list(&self) -> Option<ListId> {
        let confirmed = self
            .subscriptions
            .iter()
            .filter(|(_, state)| *state == Subscription::Confirmed);
        confirmed.map(|(list, _)| *list).min()
    }
}

/// Why a recipient is not mailed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "refusal", content = "detail")]
pub enum Refusal {
    /// The address is on the suppression list.
    #[error("suppressed: {0}")]
    Suppressed(String),
    /// The recipient has left the campaign's lists.
    #[error("unsubscribed")]
    Unsubscribed,
    /// The recipient never confirmed, or is on none of the campaign's lists.
    #[error("not confirmed")]
    NotConfirmed,
    /// The recipient wants no mail until then.
    #[error("paused until {0}")]
    Paused(Timestamp),
}

/// Proof that a recipient may be mailed. Only [`may_mail`] makes one, and the sender takes nothing else.
#[derive(Clone, Debug)]
pub struct Mailable {
    recipient: Recipient,
    list: ListId,
}

impl Mailable {
    /// The recipient that may be mailed.
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// The list by which the campaign comes to them: the oldest of its lists on which they are confirmed.
    pub fn list(&self) -> ListId {
        self.list
    }

    /// Asks again, when the answer has grown old.
    pub fn still(self, standing: &Standing, now: Timestamp) -> Result<Mailable, Refusal> {
        may_mail(self.recipient, standing, now)
    }
}

/// May this recipient be mailed by a campaign to these lists? A suppression outweighs every subscription;
/// otherwise one confirmed subscription among the campaign's lists is needed, and no pause that lasts longer than `now`.
pub fn may_mail(recipient: Recipient, standing: &Standing, now: Timestamp) -> Result<Mailable, Refusal> {
    if let Some(why) = &standing.suppression {
        return Err(Refusal::Suppressed(why.clone()));
    }
    if let Some(list) = standing.list() {
        return match standing.paused_until {
            Some(until) if until > now => Err(Refusal::Paused(until)),
            _ => Ok(Mailable { recipient, list }),
        };
    }
    let has_left = |(_, state): &(ListId, Subscription)| *state == Subscription::Unsubscribed;
    if standing.subscriptions.iter().any(has_left) {
        return Err(Refusal::Unsubscribed);
    }
    Err(Refusal::NotConfirmed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Subscription::{Confirmed, Pending, Unsubscribed};

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn ask(subscriptions: &[Subscription], suppression: Option<&str>) -> Result<(), Refusal> {
        ask_in_pause(subscriptions, suppression, None)
    }

    fn ask_in_pause(
        subscriptions: &[Subscription],
        suppression: Option<&str>,
        paused_until: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        list_of(subscriptions, suppression, paused_until).map(drop)
    }

    /// The first standing is that on list 1, and so on.
    fn list_of(
        subscriptions: &[Subscription],
        suppression: Option<&str>,
        paused_until: Option<Timestamp>,
    ) -> Result<ListId, Refusal> {
        let recipient = Recipient {
            id: crate::ids::RecipientId(1),
            address: crate::address::EmailAddress::parse("ann@example.org").unwrap(),
            name: String::new(),
            attributes: serde_json::Map::new(),
        };
        let lists = (1..).map(ListId);
        let standing = Standing {
            subscriptions: lists.zip(subscriptions.iter().copied()).collect(),
            suppression: suppression.map(str::to_owned),
            paused_until,
        };
        may_mail(recipient, &standing, NOW).map(|mailable| mailable.list())
    }

    #[test]
    fn one_confirmed_subscription_is_enough() {
        assert_eq!(ask(&[Confirmed], None), Ok(()));
        assert_eq!(ask(&[Unsubscribed, Confirmed], None), Ok(()));
    }

    #[test]
    fn a_campaign_comes_by_the_oldest_list_on_which_one_is_confirmed() {
        let list = |subscriptions: &[Subscription]| list_of(subscriptions, None, None).map(|list| list.0);
        assert_eq!(list(&[Unsubscribed, Confirmed, Confirmed]), Ok(2));
        assert_eq!(list(&[Confirmed, Unsubscribed]), Ok(1));
    }

    #[test]
    fn a_suppression_outweighs_every_subscription() {
        assert_eq!(
            ask(&[Confirmed], Some("complaint")),
            Err(Refusal::Suppressed("complaint".into()))
        );
    }

    #[test]
    fn nobody_is_mailed_without_a_confirmed_subscription() {
        assert_eq!(ask(&[Unsubscribed], None), Err(Refusal::Unsubscribed));
        assert_eq!(ask(&[Pending], None), Err(Refusal::NotConfirmed));
        assert_eq!(ask(&[], None), Err(Refusal::NotConfirmed));
    }
    #[test]
    fn a_pause_lasts_until_its_moment_has_come() {
        let later = Timestamp::from_seconds(1_001);
        assert_eq!(
            ask_in_pause(&[Confirmed], None, Some(later)),
            Err(Refusal::Paused(later))
        );
        assert_eq!(ask_in_pause(&[Confirmed], None, Some(NOW)), Ok(()));
        assert_eq!(
            ask_in_pause(&[Unsubscribed], None, Some(later)),
            Err(Refusal::Unsubscribed),
            "what lasts longer is told"
        );
        assert_eq!(
            ask_in_pause(&[Confirmed], Some("hard_bounce"), Some(later)),
            Err(Refusal::Suppressed("hard_bounce".into()))
        );
    }
}
