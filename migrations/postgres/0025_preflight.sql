-- The newest pre-flight list of each campaign: asked for by a page or a command, made by whoever is there to make it.
CREATE TABLE preflights (
    campaign_id BIGINT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('asked', 'running', 'done', 'failed')),
    asked_by TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    -- Where whoever makes it is: one that has not moved for a while is taken over by another.
    touched_at BIGINT NOT NULL,
    rendered BIGINT NOT NULL DEFAULT 0,
    finished_at BIGINT,
    -- Of what it was made: it holds for nothing else.
    fingerprint TEXT,
    -- JSON.
    findings TEXT,
    failure TEXT
);

-- Amber findings that somebody takes on, each by what it said.
CREATE TABLE preflight_overrides (
    campaign_id BIGINT NOT NULL,
    check_code TEXT NOT NULL,
    finding TEXT NOT NULL,
    reason TEXT NOT NULL,
    who TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, check_code, finding)
);
