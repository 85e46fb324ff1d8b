//! How the deliveries to a recipient ended.

use crate::engine::{Tx, on_tx};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::RecipientId;
use tidings_campaign::time::Timestamp;
use tidings_feedback::policy::Past;
use tidings_feedback::verdict::Class;

/// How up to `limit` of the newest deliveries to a recipient ended, the newest first, and none from before a person let
/// the address be mailed again. One that was accepted and bounced later has bounced.
pub(super) async fn history_in(
    tx: &mut Tx,
    recipient: RecipientId,
    limit: u32,
) -> Result<Vec<Past>, StoreError> {
    const HISTORY: &str = "SELECT d.campaign_id, d.settled_at, CASE WHEN d.state = 'accepted' THEN e.class ELSE d.class END \
        FROM deliveries d LEFT JOIN feedback_events e ON e.campaign_id = d.campaign_id AND e.seq = d.seq \
            AND e.kind = 'bounce' AND e.once IS NOT NULL \
        WHERE d.recipient_id = $1 AND d.state IN ('accepted', 'rejected', 'expired') AND d.settled_at > COALESCE( \
            (SELECT MAX(l.lifted_at) FROM lifted_suppressions l JOIN recipients r ON r.address_key = l.address_key \
             WHERE r.id = $1), 0) \
        ORDER BY d.campaign_id DESC LIMIT $2";
    let rows: Vec<(i64, i64, Option<String>)> = on_tx!(tx, conn => sqlx::query_as(HISTORY).bind(recipient.0)
        .bind(i64::from(limit)).fetch_all(conn).await)?;
    let past = |(campaign, at, class): (i64, i64, Option<String>)| {
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
