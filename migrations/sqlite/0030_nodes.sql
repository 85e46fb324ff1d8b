-- The processes that work on this database, and what each says of itself every few seconds.
CREATE TABLE nodes (
    owner TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    -- 1: somebody wants it to take nothing more.
    drain BIGINT NOT NULL DEFAULT 0,
    -- Where its pages are.
    listen TEXT,
    -- The campaigns that it sends, by comma.
    campaigns TEXT NOT NULL DEFAULT '',
    sessions BIGINT NOT NULL DEFAULT 0,
    rate_per_second DOUBLE PRECISION NOT NULL DEFAULT 0
);
