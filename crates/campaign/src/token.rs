//! Signed tokens in return paths, Message-IDs, tracked links and the links of public pages: they name a delivery or a
//! recipient, cannot be guessed or changed, and need no look-up to be checked. What each kind of them says stands here; how they are
//! written in `token/coding.rs`, and with which keys they are signed in `token/ring.rs`.

mod coding;
mod ring;

use crate::address::EmailAddress;
use crate::ids::{CampaignId, RecipientId, Seq, SignUpId};
use crate::time::Timestamp;
pub use coding::TokenError;
use coding::{MAX_TEXT, sign, sign_with, verify, verify_with};
pub use ring::{KeyRing, SigningKey};
use sha2::{Digest, Sha256};

/// Names a delivery; stands in the return path, so that bounces find their delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// The delivery's place in it.
    pub seq: Seq,
}

/// Lets whoever holds it unsubscribe one recipient from one campaign's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubscribeToken {
    /// The campaign that carried the link.
    pub campaign: CampaignId,
    /// Who unsubscribes.
    pub recipient: RecipientId,
}

/// Names the message of a campaign to a recipient; stands in its Message-ID, so that what comes back and tells it finds its
/// delivery. It is the same for every attempt, whatever keys are added meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// To whom it goes.
    pub recipient: RecipientId,
}

impl DeliveryToken {
    const PURPOSE: u8 = b'b';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        self.sign_into(keys, &mut text);
        text
    }

    /// Appends what [`sign`](Self::sign) returns.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        sign(Self::PURPOSE, &[self.campaign.0, self.seq.0], keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, seq] = verify(Self::PURPOSE, text, keys)?;
        Ok(DeliveryToken {
            campaign: CampaignId(campaign),
            seq: Seq(seq),
        })
    }
}

impl UnsubscribeToken {
    const PURPOSE: u8 = b'u';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        self.sign_into(keys, &mut text);
        text
    }

    /// Appends what [`sign`](Self::sign) returns.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        let numbers = [self.campaign.0, self.recipient.0];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient] = verify(Self::PURPOSE, text, keys)?;
        Ok(UnsubscribeToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
        })
    }
}

/// What in a message was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HitTarget {
    /// The open pixel.
    Pixel,
    /// The link that nobody sees.
    Trap,
    /// A link, by its number in the campaign, from 1.
    Link(u32),
}

impl HitTarget {
    /// As it stands in tokens and in the database: 0 for the pixel, -1 for the trap, else the link's number.
    pub const fn number(self) -> i64 {
        match self {
            HitTarget::Pixel => 0,
            HitTarget::Trap => -1,
            HitTarget::Link(n) => n as i64,
        }
    }

    /// From that number.
    pub fn from_number(number: i64) -> Option<HitTarget> {
        match number {
            0 => Some(HitTarget::Pixel),
            -1 => Some(HitTarget::Trap),
            _ => u32::try_from(number).ok().map(HitTarget::Link),
        }
    }
}

/// Names what in a message was fetched, and by whom; stands in tracked links and in the open pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// To whom the message went; nobody where hits are only counted.
    pub recipient: Option<RecipientId>,
    /// What was fetched.
    pub target: HitTarget,
}

impl HitToken {
    const PURPOSE: u8 = b'h';
    /// Signs the token together with the address it leads to.
    const LEADING: u8 = b'l';

    /// Appends the token as text: at most 64 lower-case letters and digits, usually about 35.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        // Ids begin at 1, and numbers in tokens are never negative.
        let recipient = self.recipient.map_or(0, |id| id.0);
        let numbers = [self.campaign.0, recipient, self.target.number() + 1];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        Self::of(verify(Self::PURPOSE, text, keys)?)
    }

    /// Appends the token of a link whose address is of this message alone: it holds only together with `to`, so nobody
    /// can make it lead elsewhere, and nothing need be looked up. As long as others.
    pub fn sign_leading_to(&self, to: &str, keys: &KeyRing, out: &mut String) {
        let recipient = self.recipient.map_or(0, |id| id.0);
        let numbers = [self.campaign.0, recipient, self.target.number() + 1];
        sign_with(Self::LEADING, &numbers, to.as_bytes(), keys.newest(), out);
    }

    /// Reads such a token, in upper or lower case; `to` octet for octet, as it is behind its percent-encoding.
    pub fn verify_leading_to(text: &str, to: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        Self::of(verify_with(Self::LEADING, text, to.as_bytes(), keys)?)
    }

    fn of([campaign, recipient, target]: [i64; 3]) -> Result<Self, TokenError> {
        Ok(HitToken {
            campaign: CampaignId(campaign),
            recipient: (recipient != 0).then_some(RecipientId(recipient)),
            target: HitTarget::from_number(target - 1).ok_or(TokenError::Malformed)?,
        })
    }
}

/// Lets whoever holds it see the newsletter of a campaign as one recipient got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// Whose newsletter it is.
    pub recipient: RecipientId,
}

impl ViewToken {
    const PURPOSE: u8 = b'v';

    /// Appends the token as text: at most 64 lower-case letters and digits.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        let numbers = [self.campaign.0, self.recipient.0];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient] = verify(Self::PURPOSE, text, keys)?;
        Ok(ViewToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
        })
    }
}

/// Lets whoever holds it confirm a sign-up until it expires; stands in the link of an opt-in letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignUpToken {
    /// Which sign-up.
    pub sign_up: SignUpId,
    /// Until when, to the second.
    pub expires_at: Timestamp,
}

impl SignUpToken {
    const PURPOSE: u8 = b's';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        let numbers = [self.sign_up.0, self.expires_at.seconds()];
        sign(Self::PURPOSE, &numbers, keys.newest(), &mut text);
        text
    }

    /// Reads a token, in upper or lower case. Whether it has expired is the caller's to ask.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [sign_up, expires] = verify(Self::PURPOSE, text, keys)?;
        // Seconds of a date beyond all clocks would not fit into microseconds.
        let expires = expires.clamp(0, i64::MAX / 1_000_000);
        Ok(SignUpToken {
            sign_up: SignUpId(sign_up),
            expires_at: Timestamp::from_seconds(expires),
        })
    }

    /// Whether it is too late.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

/// What an address leaves in a token: enough to tell that the recipient has another address by now, and too little to find
/// out the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressMark(i64);

impl AddressMark {
    /// Of an address: 28 bits of the SHA-256 of its comparison key, which take four octets.
    pub fn of(address: &EmailAddress) -> AddressMark {
        let digest = Sha256::digest(address.key());
        let [a, b, c, d] = [digest[0], digest[1], digest[2], digest[3]];
        AddressMark(i64::from(u32::from_be_bytes([a, b, c, d]) >> 4))
    }
}

/// Lets whoever holds it see and change what is stored of one recipient, as long as the recipient has the address to which it
/// was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreferencesToken {
    /// The campaign that carried the link.
    pub campaign: CampaignId,
    /// Whose preferences they are.
    pub recipient: RecipientId,
    /// The address that the recipient had.
    pub mark: AddressMark,
}

impl PreferencesToken {
    const PURPOSE: u8 = b'r';

    /// Appends the token as text: at most 64 lower-case letters and digits.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        let numbers = [self.campaign.0, self.recipient.0, self.mark.0];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// The token as text.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        self.sign_into(keys, &mut text);
        text
    }

    /// Reads a token, in upper or lower case. Whether the recipient still has that address must be asked.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient, mark] = verify(Self::PURPOSE, text, keys)?;
        Ok(PreferencesToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
            mark: AddressMark(mark),
        })
    }
}

/// Proves that whoever holds it reads the mail of the address that a recipient wants to change to. It holds only together
/// with that address, until a time, and as long as the recipient has the address that is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressChangeToken {
    /// Who changes the address.
    pub recipient: RecipientId,
    /// The address that is to be changed.
    pub mark: AddressMark,
    /// Until when, in whole seconds.
    pub expires_at: Timestamp,
}

impl AddressChangeToken {
    const PURPOSE: u8 = b'a';

    /// The token as text: at most 64 lower-case letters and digits. `to`: the new address as it is written in the link.
    pub fn sign(&self, to: &str, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        let numbers = [self.recipient.0, self.mark.0, self.expires_at.seconds()];
        sign_with(Self::PURPOSE, &numbers, to.as_bytes(), keys.newest(), &mut text);
        text
    }

    /// Reads a token, in upper or lower case; `to` octet for octet. Whether its time is over, and whether the recipient still
    /// has the old address, must be asked.
    pub fn verify(text: &str, to: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [recipient, mark, expires_at] = verify_with(Self::PURPOSE, text, to.as_bytes(), keys)?;
        Ok(AddressChangeToken {
            recipient: RecipientId(recipient),
            mark: AddressMark(mark),
            expires_at: Timestamp::from_seconds(expires_at.min(i64::MAX / 1_000_000)),
        })
    }
}

impl MessageToken {
    const PURPOSE: u8 = b'm';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        let numbers = [self.campaign.0, self.recipient.0];
        sign(Self::PURPOSE, &numbers, keys.oldest(), &mut text);
        text
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient] = verify(Self::PURPOSE, text, keys)?;
        Ok(MessageToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
        })
    }
}

#[cfg(test)]
mod tests;
