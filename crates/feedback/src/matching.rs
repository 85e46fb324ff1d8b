//! Which delivery an event is about, as far as signatures tell: the rest is a question to the ledger.

use crate::event::{Event, EventKind};
use tidings_campaign::ids::{CampaignId, RecipientId, Seq};
use tidings_campaign::token::{DeliveryToken, KeyRing, MessageToken, TokenError, UnsubscribeToken};

/// What the clues of an event lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This delivery.
    Delivery(CampaignId, Seq),
    /// The delivery of this campaign to this recipient.
    Recipient(CampaignId, RecipientId),
    /// A delivery of this campaign, to the address of the event. Nothing proves it.
    Campaign(CampaignId),
    /// It came to a return path or unsubscribe address that is not signed by us.
    Forged,
    /// Only the address is left.
    Address,
}

/// By what it was found, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// The signed return path to which the report was sent, or that the returned message had.
    ReturnPath,
    /// The returned message's Message-ID, which is signed.
    MessageId,
    /// The returned ENVID, which is signed.
    EnvelopeId,
    /// The token that a provider gave back, or the signed unsubscribe address or link.
    Token,
    /// The campaign in `Feedback-ID`, and the address.
    FeedbackId,
    /// The address, to which something was sent shortly before.
    Address,
    /// Nothing.
    Nothing,
}

impl MatchedBy {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            MatchedBy::ReturnPath => "return_path",
            MatchedBy::MessageId => "message_id",
            MatchedBy::EnvelopeId => "envelope_id",
            MatchedBy::Token => "token",
            MatchedBy::FeedbackId => "feedback_id",
            MatchedBy::Address => "address",
            MatchedBy::Nothing => "nothing",
        }
    }
}

/// The shortest token: a key, two numbers of one octet and the signature, in base32.
const SHORTEST_TOKEN: usize = 24;

/// Follows the clues of an event, the surest first. A report that was sent to a return path of ours with a false
/// signature is forged, whatever else it tells.
pub fn find(event: &Event, keys: &KeyRing) -> (Found, MatchedBy) {
    let clues = &event.clues;
    let mut is_forged = false;
    for recipient in &clues.recipients {
        let read = if event.kind == EventKind::Unsubscribe {
            token(recipient, "u-").map(|text| (by_unsubscribe_token(text, keys), MatchedBy::Token))
        } else {
            token(recipient, "b-").map(|text| (by_delivery_token(text, keys), MatchedBy::ReturnPath))
        };
        match read {
            Some((Ok(found), by)) => return (found, by),
            Some((Err(TokenError::Forged | TokenError::UnknownKey), _)) => is_forged = true,
            _ => {}
        }
    }
    if is_forged {
        return (Found::Forged, MatchedBy::Nothing);
    }
    returned(event, keys).unwrap_or((Found::Address, MatchedBy::Address))
}

/// What the returned message tells of itself.
fn returned(event: &Event, keys: &KeyRing) -> Option<(Found, MatchedBy)> {
    let clues = &event.clues;
    let return_path = clues.return_path.as_deref().and_then(|path| token(path, "b-"));
    if let Some(found) = return_path.and_then(|text| by_delivery_token(text, keys).ok()) {
        return Some((found, MatchedBy::ReturnPath));
    }
    let message_id = clues.message_id.as_deref().and_then(|id| {
        let local = id.trim().trim_start_matches('<').split('@').next()?;
        MessageToken::verify(local, keys).ok()
    });
    if let Some(message) = message_id {
        let found = Found::Recipient(message.campaign, message.recipient);
        return Some((found, MatchedBy::MessageId));
    }
    let envelope_id = clues.envelope_id.as_deref().and_then(|id| token(id, "b-"));
    if let Some(found) = envelope_id.and_then(|text| by_delivery_token(text, keys).ok()) {
        return Some((found, MatchedBy::EnvelopeId));
    }
    let given = clues.token.as_deref().map(str::trim);
    if let Some(found) = given.and_then(|text| by_delivery_token(text, keys).ok()) {
        return Some((found, MatchedBy::Token));
    }
    let link = clues.list_unsubscribe.as_deref().and_then(|field| {
        ["/u/", "u-"]
            .into_iter()
            .find_map(|before| by_unsubscribe_token(token(field, before)?, keys).ok())
    });
    if let Some(found) = link {
        return Some((found, MatchedBy::Token));
    }
    let campaign = clues.feedback_id.as_deref().and_then(campaign_of)?;
    Some((Found::Campaign(campaign), MatchedBy::FeedbackId))
}

/// Whether an address is an unsubscribe address of ours by its form.
pub fn is_unsubscribe_address(address: &str) -> bool {
    address
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("u-"))
        && token(address, "u-").is_some()
}

/// The first word after `before` that is long enough for a token. What forwarders write around a return path (`prvs=…`,
/// `SRS0=…`) does not matter.
fn token<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let octets = text.as_bytes();
    let starts = octets
        .windows(before.len())
        .enumerate()
        .filter(|(_, part)| part.eq_ignore_ascii_case(before.as_bytes()))
        .map(|(at, _)| at + before.len());
    starts
        .map(|start| {
            let length = octets[start..]
                .iter()
                .take_while(|octet| octet.is_ascii_alphanumeric())
                .count();
            &text[start..start + length]
        })
        .find(|word| word.len() >= SHORTEST_TOKEN)
}

fn by_delivery_token(text: &str, keys: &KeyRing) -> Result<Found, TokenError> {
    let token = DeliveryToken::verify(text, keys)?;
    Ok(Found::Delivery(token.campaign, token.seq))
}

fn by_unsubscribe_token(text: &str, keys: &KeyRing) -> Result<Found, TokenError> {
    let token = UnsubscribeToken::verify(text, keys)?;
    Ok(Found::Recipient(token.campaign, token.recipient))
}

/// `campaign-7:list-2:newsletter:example.com`, as [`MessageFactory`](tidings_campaign::message::MessageFactory) writes it.
fn campaign_of(feedback_id: &str) -> Option<CampaignId> {
    let first = feedback_id.trim().split(':').next()?;
    first.strip_prefix("campaign-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Clues;
    use crate::reason::Reason;
    use tidings_campaign::token::SigningKey;

    fn keys(secret: u8) -> KeyRing {
        let key = SigningKey {
            id: 1,
            secret: [secret; 32],
        };
        KeyRing::new(vec![key]).unwrap()
    }

    fn bounce(clues: Clues) -> Event {
        Event {
            clues,
            ..Event::of(
                EventKind::Bounce,
                "ann@example.org".to_owned(),
                Reason::UserUnknown,
                "test",
            )
        }
    }

    fn return_path(keys: &KeyRing) -> String {
        let token = DeliveryToken {
            campaign: CampaignId(7),
            seq: Seq(12),
        };
        format!("b-{}@bounce.example.com", token.sign(keys))
    }

    const DELIVERY: Found = Found::Delivery(CampaignId(7), Seq(12));
    const RECIPIENT: Found = Found::Recipient(CampaignId(7), RecipientId(99));

    #[test]
    fn the_return_path_finds_its_delivery_whatever_forwarders_wrote_around_it() {
        let keys = keys(1);
        let path = return_path(&keys);
        let (local, domain) = path.split_once('@').unwrap();
        for recipient in [
            path.clone(),
            path.to_uppercase(),
            format!("<{path}>"),
            format!("prvs=12345abcde={path}"),
            format!("SRS0=ab12=XY={domain}={local}@forwarder.example.net"),
        ] {
            let event = bounce(Clues {
                recipients: vec!["postmaster@example.com".to_owned(), recipient.clone()],
                ..Clues::default()
            });
            assert_eq!(
                find(&event, &keys),
                (DELIVERY, MatchedBy::ReturnPath),
                "{recipient}"
            );
        }
    }

    #[test]
    fn a_report_to_a_forged_return_path_is_forged_whatever_else_it_tells() {
        let (ours, theirs) = (keys(1), keys(2));
        let event = bounce(Clues {
            recipients: vec![return_path(&theirs)],
            return_path: Some(return_path(&ours)),
            feedback_id: Some("campaign-7:list-1:newsletter:x".to_owned()),
            ..Clues::default()
        });
        assert_eq!(find(&event, &ours), (Found::Forged, MatchedBy::Nothing));
    }

    #[test]
    fn what_the_returned_message_tells_is_followed_from_the_surest_on() {
        let keys = keys(1);
        let (campaign, recipient) = (CampaignId(7), RecipientId(99));
        let message = MessageToken { campaign, recipient }.sign(&keys);
        let link = UnsubscribeToken { campaign, recipient }.sign(&keys);
        let path = return_path(&keys);
        let token = path[2..].split('@').next().unwrap().to_owned();
        let all = Clues {
            return_path: Some(path.clone()),
            message_id: Some(format!("<{message}@example.com>")),
            envelope_id: Some(path.split('@').next().unwrap().to_owned()),
            token: Some(token),
            list_unsubscribe: Some(format!("<https://news.example.com/u/{link}>")),
            feedback_id: Some("campaign-7:list-1:newsletter:example.com".to_owned()),
            ..Clues::default()
        };
        let mut clues = all;
        let expect = |found, by, clues: &Clues| {
            assert_eq!(find(&bounce(clues.clone()), &keys), (found, by), "{clues:?}");
        };
        expect(DELIVERY, MatchedBy::ReturnPath, &clues);
        clues.return_path = None;
        expect(RECIPIENT, MatchedBy::MessageId, &clues);
        clues.message_id = Some("<somebody@else.example>".to_owned());
        expect(DELIVERY, MatchedBy::EnvelopeId, &clues);
        clues.envelope_id = None;
        expect(DELIVERY, MatchedBy::Token, &clues);
        clues.token = Some("nothing of ours".to_owned());
        expect(RECIPIENT, MatchedBy::Token, &clues);
        clues.list_unsubscribe = Some(format!(
            "<mailto:u-{link}@bounce.example.com?subject=unsubscribe>"
        ));
        expect(RECIPIENT, MatchedBy::Token, &clues);
        clues.list_unsubscribe = None;
        expect(Found::Campaign(campaign), MatchedBy::FeedbackId, &clues);
        clues.feedback_id = Some("1.us-east-1.abc=:AmazonSES".to_owned());
        expect(Found::Address, MatchedBy::Address, &clues);
    }

    #[test]
    fn mail_to_the_unsubscribe_address_names_its_recipient() {
        let (keys, others) = (keys(1), keys(2));
        let (campaign, recipient) = (CampaignId(7), RecipientId(99));
        let address = format!(
            "u-{}@bounce.example.com",
            UnsubscribeToken { campaign, recipient }.sign(&keys)
        );
        assert!(is_unsubscribe_address(&address));
        assert!(!is_unsubscribe_address("u-boot@example.com"));
        let mut event = Event::of(
            EventKind::Unsubscribe,
            String::new(),
            Reason::Unsubscribe,
            "unsubscribe-address",
        );
        event.clues.recipients = vec![address.clone()];
        assert_eq!(find(&event, &keys), (RECIPIENT, MatchedBy::Token));
        assert_eq!(find(&event, &others), (Found::Forged, MatchedBy::Nothing));
        // A bounce that was sent there proves nothing.
        event.kind = EventKind::Bounce;
        assert_eq!(find(&event, &keys), (Found::Address, MatchedBy::Address));
    }
}
