-- What each sender says of its relays: once a second while it changes, else every ten seconds.
CREATE TABLE relay_status (
    relay TEXT NOT NULL,
    node TEXT NOT NULL,
    health TEXT NOT NULL CHECK (health IN ('works', 'resting', 'trying')),
    sessions BIGINT NOT NULL,
    max_sessions BIGINT NOT NULL,
    resting_until BIGINT,
    fault TEXT,
    fault_at BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (relay, node)
) WITHOUT ROWID;
