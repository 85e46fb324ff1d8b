-- What was said of deliveries in each hour, by refusals (kind: rejected, expired, deferred) and by reports (bounce, delay,
-- complaint, autoreply, unsubscribe). Each node adds to its own rows.
CREATE TABLE bounce_counters (
    campaign_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    node TEXT NOT NULL,
    relay TEXT NOT NULL,
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,
    class TEXT NOT NULL,
    cause TEXT NOT NULL,
    reason TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, hour, node, relay, provider, kind, class, cause, reason)
) WITHOUT ROWID;
CREATE INDEX bounce_counters_by_hour ON bounce_counters (hour);
-- Of what was refused before, causes and reasons were not counted.
INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n)
    SELECT campaign_id, minute / 60, node, relay, provider, outcome, class, 'undefined', 'undefined', SUM(n)
    FROM send_counters WHERE outcome IN ('rejected', 'expired', 'deferred')
    GROUP BY campaign_id, minute / 60, node, relay, provider, outcome, class;

-- The rule that decided about an attempt, and what was done about its address.
ALTER TABLE attempts ADD COLUMN rule TEXT;
ALTER TABLE attempts ADD COLUMN action TEXT;

-- When a campaign pauses by itself, where it says something else than the configuration (shares in millionths, 0: never),
-- and what had been counted when it was last resumed: that does not count any more.
CREATE TABLE campaign_thresholds (
    campaign_id BIGINT PRIMARY KEY,
    hard_bounces BIGINT,
    complaints BIGINT,
    after_settled BIGINT,
    settled_before BIGINT NOT NULL DEFAULT 0,
    accepted_before BIGINT NOT NULL DEFAULT 0,
    hard_before BIGINT NOT NULL DEFAULT 0,
    complaints_before BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
