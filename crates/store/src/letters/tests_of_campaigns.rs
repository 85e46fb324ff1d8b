//! Test letters: a campaign as somebody tries it, before it goes out.

use super::{ListedLetter, NewLetter, Queued, queue_letter_in};
use crate::audit::{By, audit_in};
use crate::engine::{Store, on_pool, on_tx};
use crate::error::StoreError;
use crate::sign_ups::is_suppressed;
use crate::steering::about;
use crate::suppressions::Suppression;
use std::time::Duration;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::letter::{LetterCaps, LetterKind};
use tidings_campaign::time::Timestamp;

/// Test letters that one person may cause in an hour.
pub const TESTS_PER_HOUR: u32 = 30;
/// What has not gone out by then is not looked for any more.
const EXPIRES_AFTER: Duration = Duration::from_secs(3600);

/// A campaign to be tried.
#[derive(Clone, Copy, Debug)]
pub struct NewTest<'a> {
    /// Which.
    pub campaign: CampaignId,
    /// The domain of its author, by which relays are chosen.
    pub sender_domain: &'a str,
    /// To whom, each with the whole message.
    pub letters: &'a [(EmailAddress, Vec<u8>)],
    /// Recognises the form that asked for it, and is not empty: sent twice, it goes to each address once.
    pub once: &'a str,
}

/// What became of a test that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestQueued {
    /// It goes out to each address, or did so before by the same form.
    Yes,
    /// An address must not be mailed: the address, and the reason in a word. Nothing was queued.
    Suppressed(EmailAddress, String),
    /// [`TESTS_PER_HOUR`] would be exceeded. Nothing was queued.
    TooMany,
}

impl Store {
    /// Queues a test of a campaign in somebody's name: all of its letters or none.
    pub async fn queue_test(
        &self,
        test: NewTest<'_>,
        by: &By,
        now: Timestamp,
    ) -> Result<TestQueued, StoreError> {
        const SUPPRESSED: &str = "SELECT reason FROM suppressions WHERE address_key = $1";
        let caps = LetterCaps {
            network_per_hour: TESTS_PER_HOUR,
            ..LetterCaps::NONE
        };
        let who = format!("test by {}", by.who);
        let mut fresh = 0;
        let mut tx = self.begin_write().await?;
        for (to, message) in test.letters {
            let suppressed: Option<String> = on_tx!(&mut tx, conn => sqlx::query_scalar(SUPPRESSED)
                .bind(to.key()).fetch_optional(conn).await)?;
            if let Some(reason) = suppressed {
                return Ok(TestQueued::Suppressed(to.clone(), reason));
            }
            if is_suppressed(&mut tx, to).await? {
                return Ok(TestQueued::Suppressed(
                    to.clone(),
                    Suppression::BY_HASH.to_owned(),
                ));
            }
            let once = format!("test {} {} {}", test.campaign, test.once, to.key());
            let letter = NewLetter {
                kind: LetterKind::Test,
                to,
                sender_domain: test.sender_domain,
                message,
                list: None,
                campaign: Some(test.campaign),
                network: Some(&who),
                once: Some(&once),
                expires_at: now.plus(EXPIRES_AFTER),
            };
            match queue_letter_in(&mut tx, &letter, caps, now).await? {
                Queued::Yes(_) => fresh += 1,
                // The same form named others too, or the same address twice.
                Queued::Before => {}
                Queued::TooMany(_) => return Ok(TestQueued::TooMany),
            }
        }
        if fresh == 0 {
            return Ok(TestQueued::Yes);
        }
        // No addresses: what is in the audit log stays when somebody is erased.
        let detail = match fresh {
            1 => "to 1 address".to_owned(),
            n => format!("to {n} addresses"),
        };
        let about = about(test.campaign);
        audit_in(&mut tx, by, "sent a test", (&about, &detail), now).await?;
        tx.commit().await?;
        Ok(TestQueued::Yes)
    }

    /// The newest test letters of a campaign, up to `limit`. Those that are done with are forgotten after
    /// [`LETTERS_KEPT`](super::LETTERS_KEPT).
    pub async fn tests_of(&self, campaign: CampaignId, limit: i64) -> Result<Vec<ListedLetter>, StoreError> {
        const TESTS: &str = "SELECT id, kind, address, state, attempts, queued_at, due_at, settled_at, relay, reply, reason \
            FROM letters WHERE campaign_id = $1 ORDER BY id DESC LIMIT $2";
        Ok(
            on_pool!(self, pool => sqlx::query_as(TESTS).bind(campaign.0).bind(limit)
            .fetch_all(pool).await)?,
        )
    }
}
