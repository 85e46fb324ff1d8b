-- The last attempt of a delivery that ended: in which session of the relay, and how long it took.
ALTER TABLE deliveries ADD COLUMN session BIGINT;
ALTER TABLE deliveries ADD COLUMN duration_us BIGINT;

-- Deliveries that wait for a limit (reason: which), not because they were refused.
CREATE INDEX deliveries_aside ON deliveries (campaign_id, reason, due_at)
    WHERE state = 'deferred' AND cause = 'limit';

-- Every attempt that was not accepted. The accepted one stands in its delivery's row, so that the usual outcome
-- writes no second one.
CREATE TABLE attempts (
    campaign_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    relay TEXT,
    session BIGINT,
    outcome TEXT NOT NULL CHECK (outcome IN ('deferred', 'rejected', 'expired', 'unknown')),
    code BIGINT,
    enhanced TEXT,
    reply TEXT,
    class TEXT,
    cause TEXT,
    reason TEXT,
    duration_us BIGINT,
    PRIMARY KEY (campaign_id, seq, attempt)
) WITHOUT ROWID;

-- What was said in sessions that failed, without secrets: the last few of each relay.
CREATE TABLE transcripts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    relay TEXT NOT NULL,
    at BIGINT NOT NULL,
    fault TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX transcripts_by_relay ON transcripts (relay, id);

-- How much of each limit was used in each minute. Each node adds to its own rows; the sum is the truth.
CREATE TABLE limit_usage (
    limit_key TEXT NOT NULL,
    minute BIGINT NOT NULL,
    node TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (limit_key, minute, node)
) WITHOUT ROWID;

-- A child goes to the recipients whose deliveries of its parent are in one of the states (comma separated).
ALTER TABLE campaigns ADD COLUMN parent_id BIGINT;
ALTER TABLE campaigns ADD COLUMN parent_states TEXT;
ALTER TABLE campaigns ADD COLUMN pool TEXT;
ALTER TABLE campaigns ADD COLUMN max_sessions BIGINT;
