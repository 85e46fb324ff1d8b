-- What came in from outside, as it came in. Of a long one the beginning; of an old one nothing but that it came.
CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    way TEXT NOT NULL,
    -- Recognises the same arrival if it comes again.
    key TEXT NOT NULL UNIQUE,
    raw BLOB NOT NULL,
    octets BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX arrivals_by_time ON arrivals (received_at);

-- What an arrival says, about whom, and what was done about it.
CREATE TABLE feedback_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    arrival_id BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('bounce', 'delay', 'complaint', 'autoreply', 'unsubscribe', 'other')),
    -- Recognises the same event by whichever way it is told; only the one that was counted has it.
    once TEXT UNIQUE,
    campaign_id BIGINT,
    seq BIGINT,
    recipient_id BIGINT,
    -- The recipient's key; of one that was not found, that of the address that was told.
    address_key TEXT NOT NULL,
    told_address TEXT NOT NULL,
    class TEXT NOT NULL,
    cause TEXT NOT NULL,
    reason TEXT NOT NULL,
    rule TEXT NOT NULL,
    status TEXT,
    code BIGINT,
    text TEXT NOT NULL,
    host TEXT,
    matched_by TEXT NOT NULL,
    done TEXT NOT NULL,
    happened_at BIGINT NOT NULL
);
CREATE INDEX feedback_events_by_address ON feedback_events (address_key, id);
CREATE INDEX feedback_events_by_delivery ON feedback_events (campaign_id, seq) WHERE campaign_id IS NOT NULL;
CREATE INDEX feedback_events_by_arrival ON feedback_events (arrival_id);

-- Suppressions that a person has lifted: what came before says nothing any more.
CREATE TABLE lifted_suppressions (
    address_key TEXT NOT NULL,
    lifted_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    suppressed_at BIGINT NOT NULL,
    PRIMARY KEY (address_key, lifted_at)
) WITHOUT ROWID;
