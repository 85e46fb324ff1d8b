//! What was accepted and who unsubscribed, day by day: the days that are over are summed once, so that a page over a year reads
//! some thousand rows and not every minute of it.

use crate::engine::{Store, on_pool, on_tx};
use crate::error::StoreError;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// How long a day must have been over: clocks of several nodes differ.
const GRACE: Duration = Duration::from_secs(3_600);
const MINUTES_OF_DAY: i64 = 1_440;

impl Store {
    /// Sums the next day that is over and is not summed yet, in one transaction. False if there is none.
    pub async fn sum_a_day(&self, now: Timestamp) -> Result<bool, StoreError> {
        // The update that changes nothing keeps another process from summing the same day.
        const NEXT: &str = "UPDATE sequences SET next = next WHERE name = 'sent_days' RETURNING next";
        const FIRST: &str = "SELECT MIN(minute) FROM send_counters WHERE minute >= $1";
        const SUM: &str = "INSERT INTO sent_days (day, campaign_id, outcome, n) \
            SELECT CAST($1 AS BIGINT), campaign_id, outcome, CAST(SUM(n) AS BIGINT) FROM send_counters \
            WHERE minute >= $2 AND minute < $3 AND outcome IN ('accepted', 'unsubscribed') GROUP BY campaign_id, outcome";
        const DONE: &str = "UPDATE sequences SET next = $1 WHERE name = 'sent_days'";
        let over = now.minus(GRACE).minute().div_euclid(MINUTES_OF_DAY);
        if self.days_summed_until().await? >= over {
            return Ok(false);
        }
        let mut tx = self.begin_write().await?;
        let next: i64 = on_tx!(&mut tx, conn => sqlx::query_scalar(NEXT).fetch_one(conn).await)?;
        // Days on which nothing was sent are passed over.
        let first: Option<i64> = on_tx!(&mut tx, conn => sqlx::query_scalar(FIRST).bind(next * MINUTES_OF_DAY)
            .fetch_one(conn).await)?;
        let day = first.map_or(over, |minute| minute.div_euclid(MINUTES_OF_DAY));
        if day < over {
            let minute = day * MINUTES_OF_DAY;
            on_tx!(&mut tx, conn => sqlx::query(SUM).bind(day).bind(minute).bind(minute + MINUTES_OF_DAY)
                .execute(conn).await.map(drop))?;
        }
        let done = over.min(day + 1).max(next);
        on_tx!(&mut tx, conn => sqlx::query(DONE).bind(done).execute(conn).await.map(drop))?;
        tx.commit().await?;
        Ok(done < over)
    }

    /// The first day, since 1970, that is not summed yet.
    pub(crate) async fn days_summed_until(&self) -> Result<i64, StoreError> {
        const NEXT: &str = "SELECT next FROM sequences WHERE name = 'sent_days'";
        Ok(on_pool!(self, pool => sqlx::query_scalar(NEXT).fetch_one(pool).await)?)
    }
}
