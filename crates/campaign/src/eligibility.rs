//! The one place where it is decided whether a recipient may be mailed.

use crate::recipient::{Recipient, Subscription};
use serde::Serialize;

/// What is known about a recipient's wish when a campaign is about to mail it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The standings on the campaign's lists, one for each list the recipient has ever been on.
    pub subscriptions: Vec<Subscription>,
    /// Why the address must not be mailed, if it must not.
    pub suppression: Option<String>,
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
}

/// Proof that a recipient may be mailed. Only [`may_mail`] makes one, and the sender takes nothing else.
#[derive(Clone, Debug)]
pub struct Mailable(Recipient);

impl Mailable {
    /// The recipient that may be mailed.
    pub fn recipient(&self) -> &Recipient {
        &self.0
    }

    /// Asks again, when the answer has grown old.
    pub fn still(self, standing: &Standing) -> Result<Mailable, Refusal> {
        may_mail(self.0, standing)
    }
}

/// May this recipient be mailed by a campaign to these lists? A suppression outweighs every subscription;
/// otherwise one confirmed subscription among the campaign's lists is needed.
pub fn may_mail(recipient: Recipient, standing: &Standing) -> Result<Mailable, Refusal> {
    if let Some(why) = &standing.suppression {
        return Err(Refusal::Suppressed(why.clone()));
    }
    if standing.subscriptions.contains(&Subscription::Confirmed) {
        return Ok(Mailable(recipient));
    }
    if standing.subscriptions.contains(&Subscription::Unsubscribed) {
        return Err(Refusal::Unsubscribed);
    }
    Err(Refusal::NotConfirmed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Subscription::{Confirmed, Pending, Unsubscribed};

    fn ask(subscriptions: &[Subscription], suppression: Option<&str>) -> Result<(), Refusal> {
        let recipient = Recipient {
            id: crate::ids::RecipientId(1),
            address: crate::address::EmailAddress::parse("ann@example.org").unwrap(),
            name: String::new(),
            attributes: serde_json::Map::new(),
        };
        let standing = Standing {
            subscriptions: subscriptions.to_vec(),
            suppression: suppression.map(str::to_owned),
        };
        may_mail(recipient, &standing).map(drop)
    }

    #[test]
    fn one_confirmed_subscription_is_enough() {
        assert_eq!(ask(&[Confirmed], None), Ok(()));
        assert_eq!(ask(&[Unsubscribed, Confirmed], None), Ok(()));
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
}
