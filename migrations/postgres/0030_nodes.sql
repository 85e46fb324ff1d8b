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
-- What senders and planners must hear of is told in the transaction that changes it, whoever makes the change. A channel belongs
-- to one database. Nothing of this is on the way of a message: PostgreSQL commits transactions that tell something one by one.
CREATE FUNCTION tidings_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tidings', TG_TABLE_NAME);
    RETURN NULL;
END
$$;
CREATE TRIGGER campaigns_tell AFTER UPDATE OF state, scheduled_at ON campaigns FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.scheduled_at IS DISTINCT FROM NEW.scheduled_at)
    EXECUTE FUNCTION tidings_tell();
CREATE TRIGGER nodes_tell AFTER UPDATE OF drain ON nodes FOR EACH ROW
    WHEN (OLD.drain IS DISTINCT FROM NEW.drain)
    EXECUTE FUNCTION tidings_tell();
