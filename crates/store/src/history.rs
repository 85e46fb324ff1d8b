//! How the deliveries to a recipient ended, and whether soft bounces among them are enough to suppress the address.

use crate::attempts::mark_suppressed;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::outcome::Settlement;
use crate::suppressing::{evidence, suppressing_one};
use tidings_campaign::ids::RecipientId;
use tidings_campaign::time::Timestamp;
use tidings_feedback::event::EventKind;
use tidings_feedback::policy::{self, Action, Past, SoftRule};
use tidings_feedback::verdict::Class;

/// The newest by campaign: by the index, so that it does not matter how many there are. One that was accepted and bounced
/// later has bounced. What went to a former address says nothing about this one.
const HISTORY: &str = "SELECT d.campaign_id, d.settled_at, CASE WHEN d.state = 'accepted' THEN e.class ELSE d.class END \
    FROM deliveries d LEFT JOIN feedback_events e ON e.campaign_id = d.campaign_id AND e.seq = d.seq \
        AND e.kind = 'bounce' AND e.once IS NOT NULL \
    WHERE d.recipient_id = $1 AND d.state IN ('accepted', 'rejected', 'expired') AND d.settled_at > COALESCE( \
        (SELECT MAX(l.lifted_at) FROM lifted_suppressions l JOIN recipients r ON r.address_key = l.address_key \
         WHERE r.id = $1), 0) \
    AND d.settled_at > COALESCE((SELECT MAX(a.changed_at) FROM address_changes a WHERE a.recipient_id = $1), 0) \
    ORDER BY d.campaign_id DESC LIMIT $2";

/// Campaign, when it was settled, the class of its bounce.
type PastRow = (i64, i64, Option<String>);

/// How up to `limit` of the newest deliveries to a recipient ended, the newest first, and none from before a person let
/// the address be mailed again.
pub(crate) async fn history_in(
    tx: &mut Tx,
    recipient: RecipientId,
    limit: u32,
) -> Result<Vec<Past>, StoreError> {
    let rows: Vec<PastRow> = on_tx!(tx, conn => sqlx::query_as(HISTORY).bind(recipient.0).bind(i64::from(limit))
        .fetch_all(conn).await)?;
    newest_first(rows)
}

fn newest_first(rows: Vec<PastRow>) -> Result<Vec<Past>, StoreError> {
    let past = |(campaign, at, class): PastRow| {
        let bounced = class.map(|word| {
            Class::parse(&word)
                .ok_or_else(|| bad_row("deliveries", campaign, format!("unknown class `{word}`")))
        });
        Ok(Past {
            at: Timestamp(at),
            bounced: bounced.transpose()?,
        })
    };
    let mut history = rows
        .into_iter()
        .map(past)
        .collect::<Result<Vec<_>, StoreError>>()?;
    // A campaign may be settled after one that was made later.
    history.sort_by_key(|past| std::cmp::Reverse(past.at));
    Ok(history)
}

impl Store {
    /// Suppresses the address of a delivery that bounced softly, if it did so too often by the rule. To be asked after the
    /// outcome was recorded. Returns whether the address is suppressed by this.
    pub async fn wear_out(
        &self,
        settlement: &Settlement,
        rule: SoftRule,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const WHO: &str = "SELECT recipient_id FROM deliveries WHERE campaign_id = $1 AND seq = $2";
        let (campaign, seq) = (settlement.held.campaign, settlement.held.seq);
        let Some(ruling) = settlement
            .outcome
            .ruling()
            .filter(|_| settlement.is_soft_bounce())
        else {
            return Ok(false);
        };
        let who: Option<i64> = on_pool!(self, pool => sqlx::query_scalar(WHO).bind(campaign.0).bind(seq.0)
            .fetch_optional(pool).await)?;
        let Some(recipient) = who.map(RecipientId) else {
            return Ok(false);
        };
        let decided = |history: &[Past]| policy::decide(EventKind::Bounce, &ruling.verdict, rule, history);
        // Nearly always nothing follows; the one writer is not asked for that.
        let Action::Suppress(_) = decided(&self.history(recipient, SoftRule::MOST).await?) else {
            return Ok(false);
        };
        let mut tx = self.begin_write().await?;
        // A person may have let it be mailed again meanwhile.
        let Action::Suppress(why) = decided(&history_in(&mut tx, recipient, SoftRule::MOST).await?) else {
            return Ok(false);
        };
        let evidence = format!(
            "too many soft bounces in a row, the last: {}",
            evidence(settlement)
        );
        let [add, take_from_imports] = suppressing_one(self.parts, settlement, (why, evidence), now);
        let added = tx.run(add).await?;
        tx.run(take_from_imports).await?;
        if added == 1 {
            mark_suppressed(&mut tx, campaign, seq).await?;
        }
        tx.commit().await?;
        Ok(added == 1)
    }

    async fn history(&self, recipient: RecipientId, limit: u32) -> Result<Vec<Past>, StoreError> {
        let rows: Vec<PastRow> = on_pool!(self, pool => sqlx::query_as(HISTORY).bind(recipient.0)
            .bind(i64::from(limit)).fetch_all(pool).await)?;
        newest_first(rows)
    }
}
