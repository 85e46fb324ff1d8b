//! How hits that wait are written in a row: as octets, a dozen or so for each hit, without a key of their own.
//!
//! Numbers are LEB128, those that may be negative in zigzag. First a number for the form; then what programs call themselves; then
//! what is only counted; then the hits of known recipients, whose numbers are differences to the hit before.

use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{HitVerdict, Network};

/// The form of the octets, for the day when there is another.
const FORM: u64 = 1;

/// What waits in one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    /// What programs call themselves; hits name them by their place.
    pub agents: Vec<String>,
    /// Hits of nobody, which were judged when they came.
    pub counted: Vec<Counted>,
    /// Hits of recipients.
    pub hits: Vec<WaitingHit>,
}

/// Hits of nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub campaign: CampaignId,
    /// Since 1970.
    pub hour: i64,
    pub target: HitTarget,
    pub verdict: HitVerdict,
    pub n: i64,
}

/// A hit of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitingHit {
    pub campaign: CampaignId,
    pub recipient: RecipientId,
    pub at: Timestamp,
    pub target: HitTarget,
    /// Its place among the agents of the row.
    pub agent: usize,
    pub network: Option<Network>,
    pub signs: i64,
}

impl Packed {
    /// How many hits it stands for.
    pub(super) fn n(&self) -> i64 {
        let counted: i64 = self.counted.iter().map(|counted| counted.n).sum();
        counted + self.hits.len() as i64
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(64 + 16 * (self.counted.len() + self.hits.len()));
        put(&mut octets, FORM);
        put(&mut octets, self.agents.len() as u64);
        for agent in &self.agents {
            put(&mut octets, agent.len() as u64);
            octets.extend_from_slice(agent.as_bytes());
        }
        put(&mut octets, self.counted.len() as u64);
        for counted in &self.counted {
            put_signed(&mut octets, counted.campaign.0);
            put_signed(&mut octets, counted.hour);
            put_signed(&mut octets, counted.target.number());
            put_signed(&mut octets, counted.verdict.number());
            put_signed(&mut octets, counted.n);
        }
        let (mut campaign, mut recipient, mut at) = (0_i64, 0_i64, 0_i64);
        put(&mut octets, self.hits.len() as u64);
        for hit in &self.hits {
            put_signed(&mut octets, hit.campaign.0.wrapping_sub(campaign));
            put_signed(&mut octets, hit.recipient.0.wrapping_sub(recipient));
            put_signed(&mut octets, hit.at.0.wrapping_sub(at));
            (campaign, recipient, at) = (hit.campaign.0, hit.recipient.0, hit.at.0);
            put_signed(&mut octets, hit.target.number());
            put(&mut octets, hit.agent as u64);
            put_signed(&mut octets, hit.network.map_or(-1, |network| network.number()));
            put_signed(&mut octets, hit.signs);
        }
        octets
    }

    /// Nothing if these are not octets that [`write`](Packed::write) made.
    pub(super) fn read(octets: &[u8]) -> Option<Packed> {
        let mut rest = octets;
        let rest = &mut rest;
        if take(rest)? != FORM {
            return None;
        }
        let mut packed = Packed::default();
        for _ in 0..take(rest)? {
            let length = usize::try_from(take(rest)?).ok()?;
            let (agent, after) = rest.split_at_checked(length)?;
            packed.agents.push(std::str::from_utf8(agent).ok()?.to_owned());
            *rest = after;
        }
        for _ in 0..take(rest)? {
            packed.counted.push(Counted {
                campaign: CampaignId(take_signed(rest)?),
                hour: take_signed(rest)?,
                target: HitTarget::from_number(take_signed(rest)?)?,
                verdict: HitVerdict::from_number(take_signed(rest)?)?,
                n: take_signed(rest)?,
            });
        }
        let (mut campaign, mut recipient, mut at) = (0_i64, 0_i64, 0_i64);
        for _ in 0..take(rest)? {
            campaign = campaign.wrapping_add(take_signed(rest)?);
            recipient = recipient.wrapping_add(take_signed(rest)?);
            at = at.wrapping_add(take_signed(rest)?);
            let hit = WaitingHit {
                campaign: CampaignId(campaign),
                recipient: RecipientId(recipient),
                at: Timestamp(at),
                target: HitTarget::from_number(take_signed(rest)?)?,
                agent: usize::try_from(take(rest)?).ok()?,
                network: Network::from_number(take_signed(rest)?),
                signs: take_signed(rest)?,
            };
            if hit.agent >= packed.agents.len() {
                return None;
            }
            packed.hits.push(hit);
        }
        rest.is_empty().then_some(packed)
    }
}

fn put(octets: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        octets.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    octets.push(number as u8);
}

fn put_signed(octets: &mut Vec<u8>, number: i64) {
    put(octets, ((number << 1) ^ (number >> 63)) as u64);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&octet, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_signed(rest: &mut &[u8]) -> Option<i64> {
    let number = take(rest)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Packed {
        let hit = WaitingHit {
            campaign: CampaignId(7),
            recipient: RecipientId(100_000),
            at: Timestamp(1_800_000_000_000_000),
            target: HitTarget::Pixel,
            agent: 1,
            network: Network::from_number(13_003_313),
            signs: 0,
        };
        Packed {
            agents: vec![String::new(), "Firefox é".to_owned()],
            counted: vec![Counted {
                campaign: CampaignId(3),
                hour: 500_000,
                target: HitTarget::Link(4),
                verdict: HitVerdict::Human,
                n: 12,
            }],
            hits: vec![
                hit,
                WaitingHit {
                    recipient: RecipientId(5),
                    at: Timestamp(hit.at.0 - 9),
                    target: HitTarget::Trap,
                    agent: 0,
                    network: None,
                    signs: 3,
                    ..hit
                },
                WaitingHit {
                    campaign: CampaignId(i64::MAX),
                    at: Timestamp(i64::MIN),
                    ..hit
                },
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for packed in [Packed::default(), some()] {
            assert_eq!(Packed::read(&packed.write()), Some(packed));
        }
        assert_eq!(some().n(), 15);
    }

    #[test]
    fn a_hit_of_a_crowd_takes_little_room() {
        let mut packed = some();
        let one = packed.hits[0];
        packed.hits = (0..1000)
            .map(|n| WaitingHit {
                recipient: RecipientId(n * 77_777 % 100_000),
                at: Timestamp(one.at.0 + n * 15),
                ..one
            })
            .collect();
        assert!(packed.write().len() < 14_000, "{}", packed.write().len());
    }

    #[test]
    fn nothing_else_is_read() {
        let octets = some().write();
        for length in 0..octets.len() {
            assert_eq!(Packed::read(&octets[..length]), None, "{length} octets");
        }
        let mut longer = octets.clone();
        longer.push(0);
        assert_eq!(Packed::read(&longer), None);
        let mut other = octets;
        other[0] = 2;
        assert_eq!(Packed::read(&other), None);
        assert_eq!(Packed::read(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]), None);
    }
}
