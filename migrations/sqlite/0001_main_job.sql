-- Times are UTC microseconds since 1970. Addresses are compared by address_key (lower case).

CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO sequences (name, next) VALUES ('recipients', 1), ('leases', 1);

-- Which installation this is, and where its database was when it last sent mail: one row.
CREATE TABLE instance (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    home TEXT NOT NULL
);
INSERT INTO instance (one, id, home) VALUES (1, lower(hex(randomblob(16))), '');

CREATE TABLE signing_keys (
    id BIGINT PRIMARY KEY CHECK (id BETWEEN 1 AND 255),
    secret BLOB NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE lists (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id BIGINT NOT NULL REFERENCES lists (id),
    file_name TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    counts TEXT
);

CREATE TABLE recipients (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    address_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL DEFAULT '',
    attributes TEXT NOT NULL DEFAULT '{}',
    import_id BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE subscriptions (
    list_id BIGINT NOT NULL REFERENCES lists (id),
    recipient_id BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'unsubscribed')),
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (list_id, recipient_id)
) WITHOUT ROWID;

-- Outlives the recipient's row: hence by address.
CREATE TABLE suppressions (
    address_key TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE templates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    subject TEXT,
    html TEXT NOT NULL,
    text TEXT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE campaigns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'draft'
        CHECK (state IN ('draft', 'scheduled', 'sending', 'paused', 'held', 'finished', 'cancelled')),
    state_reason TEXT,
    template_name TEXT NOT NULL,
    subject TEXT NOT NULL,
    sender TEXT NOT NULL,
    reply_to TEXT,
    rate TEXT,
    unknown_policy TEXT NOT NULL DEFAULT 'hold' CHECK (unknown_policy IN ('hold', 'resend', 'skip')),
    scheduled_at BIGINT,
    scheduled_local TEXT,
    scheduled_zone TEXT,
    greatest_lateness_seconds BIGINT NOT NULL DEFAULT 3600,
    content TEXT,
    planned BIGINT NOT NULL DEFAULT 0,
    next_seq BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);
CREATE INDEX campaigns_by_state ON campaigns (state, scheduled_at);

CREATE TABLE campaign_lists (
    campaign_id BIGINT NOT NULL REFERENCES campaigns (id),
    list_id BIGINT NOT NULL REFERENCES lists (id),
    PRIMARY KEY (campaign_id, list_id)
) WITHOUT ROWID;

-- The ledger: one row for every planned message. No foreign keys on the hot path.
CREATE TABLE deliveries (
    campaign_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN
        ('planned', 'leased', 'on_wire', 'accepted', 'deferred', 'rejected', 'expired', 'withheld', 'unknown')),
    lease_id BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    first_attempt_at BIGINT,
    due_at BIGINT,
    settled_at BIGINT,
    relay TEXT,
    code BIGINT,
    enhanced TEXT,
    reply TEXT,
    class TEXT,
    cause TEXT,
    reason TEXT,
    PRIMARY KEY (campaign_id, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX deliveries_by_recipient ON deliveries (recipient_id, campaign_id);
CREATE INDEX deliveries_due ON deliveries (campaign_id, due_at) WHERE state = 'deferred';

-- A sender's claim on a range of seq ('range') or on due retries inside that range ('retry'). Without an
-- owner, or after expires_at, another sender takes it over.
CREATE TABLE leases (
    id BIGINT PRIMARY KEY,
    campaign_id BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('range', 'retry')),
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    owner TEXT,
    expires_at BIGINT NOT NULL,
    batch BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX leases_by_campaign ON leases (campaign_id, expires_at);

-- How many deliveries of a campaign are in each state. Each node adds to its own rows, so a single row
-- may be negative; the sum over the nodes is the truth.
CREATE TABLE campaign_counters (
    campaign_id BIGINT NOT NULL,
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, node, state)
) WITHOUT ROWID;

-- What happened in each minute: outcomes of attempts and unsubscribes.
CREATE TABLE send_counters (
    campaign_id BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    node TEXT NOT NULL,
    relay TEXT NOT NULL,
    provider TEXT NOT NULL,
    outcome TEXT NOT NULL,
    class TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, minute, node, relay, provider, outcome, class)
) WITHOUT ROWID;
CREATE INDEX send_counters_by_minute ON send_counters (minute);

CREATE TABLE unsubscribes (
    campaign_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    how TEXT NOT NULL,
    PRIMARY KEY (campaign_id, recipient_id)
) WITHOUT ROWID;

-- What the sender says of a sending campaign, once a second.
CREATE TABLE send_status (
    campaign_id BIGINT NOT NULL,
    node TEXT NOT NULL,
    rate_per_second DOUBLE PRECISION NOT NULL,
    binding_limit TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, node)
) WITHOUT ROWID;
