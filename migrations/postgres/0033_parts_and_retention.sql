-- no-transaction
-- The ledger in parts: `deliveries` and `attempts` are partitioned by ranges of campaigns (docs/retention.md). What is there
-- becomes the first part of each and is not rewritten. No step keeps anybody waiting: each is a transaction of its own,
-- what takes long (VALIDATE) lets others read and write, and what does not let them takes a moment, or gives up after 200 ms
-- and is tried again by whoever migrates. So every step must find out whether it has been done.

-- The first part reaches so far that campaigns that are made meanwhile have their place in it. A constraint that is valid already
-- spares ATTACH the search of the whole table.
BEGIN;
SET LOCAL lock_timeout = '1min';
LOCK TABLE deliveries IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '200ms';
DO $$
DECLARE bound BIGINT;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint
        WHERE conname = 'deliveries_first_part' AND connamespace = current_schema()::regnamespace) THEN
        SELECT (COALESCE(MAX(id), 0) / 100 + 2) * 100 INTO bound FROM campaigns;
        EXECUTE format('ALTER TABLE deliveries ADD CONSTRAINT deliveries_first_part CHECK (campaign_id < %s) NOT VALID', bound);
    END IF;
END $$;
COMMIT;

BEGIN;
SET LOCAL lock_timeout = '1min';
LOCK TABLE attempts IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '200ms';
DO $$
DECLARE bound BIGINT;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint
        WHERE conname = 'attempts_first_part' AND connamespace = current_schema()::regnamespace) THEN
        SELECT substring(pg_get_constraintdef(oid) FROM '[0-9]+')::bigint INTO STRICT bound
            FROM pg_constraint WHERE conname = 'deliveries_first_part' AND connamespace = current_schema()::regnamespace;
        EXECUTE format('ALTER TABLE attempts ADD CONSTRAINT attempts_first_part CHECK (campaign_id < %s) NOT VALID', bound);
    END IF;
END $$;
COMMIT;

-- These read both tables. Others read and write beside them.
BEGIN;
SET LOCAL lock_timeout = '1min';
DO $$ BEGIN
    IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'deliveries'::regclass) THEN
        ALTER TABLE deliveries VALIDATE CONSTRAINT deliveries_first_part;
    END IF;
END $$;
COMMIT;

BEGIN;
SET LOCAL lock_timeout = '1min';
DO $$ BEGIN
    IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'attempts'::regclass) THEN
        ALTER TABLE attempts VALIDATE CONSTRAINT attempts_first_part;
    END IF;
END $$;
COMMIT;

-- The exchange. A vacuum that is under way is sent away by the first lock, and the second is waited for a moment only.
BEGIN;
SET LOCAL lock_timeout = '1min';
LOCK TABLE deliveries IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '200ms';
DO $$
DECLARE bound BIGINT;
BEGIN
    IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'deliveries'::regclass) THEN
        SELECT substring(pg_get_constraintdef(oid) FROM '[0-9]+')::bigint INTO STRICT bound
            FROM pg_constraint WHERE conname = 'deliveries_first_part' AND connamespace = current_schema()::regnamespace;
        ALTER TABLE deliveries RENAME TO deliveries_from_0;
        ALTER INDEX deliveries_pkey RENAME TO deliveries_from_0_pkey;
        ALTER INDEX deliveries_by_recipient RENAME TO deliveries_from_0_by_recipient;
        ALTER INDEX deliveries_due RENAME TO deliveries_from_0_due;
        ALTER INDEX deliveries_aside RENAME TO deliveries_from_0_aside;
        CREATE TABLE deliveries (LIKE deliveries_from_0 INCLUDING DEFAULTS) PARTITION BY RANGE (campaign_id);
        ALTER TABLE deliveries ADD PRIMARY KEY (campaign_id, seq);
        ALTER TABLE deliveries ADD CONSTRAINT deliveries_state_check CHECK (state IN
            ('planned', 'leased', 'on_wire', 'accepted', 'deferred', 'rejected', 'expired', 'withheld', 'unknown'));
        CREATE UNIQUE INDEX deliveries_by_recipient ON deliveries (recipient_id, campaign_id);
        CREATE INDEX deliveries_due ON deliveries (campaign_id, due_at) WHERE state = 'deferred';
        CREATE INDEX deliveries_aside ON deliveries (campaign_id, reason, due_at)
            WHERE state = 'deferred' AND cause = 'limit';
        EXECUTE format('ALTER TABLE deliveries ATTACH PARTITION deliveries_from_0 FOR VALUES FROM (MINVALUE) TO (%s)', bound);
    END IF;
END $$;
COMMIT;

BEGIN;
SET LOCAL lock_timeout = '1min';
LOCK TABLE attempts IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '200ms';
DO $$
DECLARE bound BIGINT;
BEGIN
    IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'attempts'::regclass) THEN
        SELECT substring(pg_get_constraintdef(oid) FROM '[0-9]+')::bigint INTO STRICT bound
            FROM pg_constraint WHERE conname = 'attempts_first_part' AND connamespace = current_schema()::regnamespace;
        ALTER TABLE attempts RENAME TO attempts_from_0;
        ALTER INDEX attempts_pkey RENAME TO attempts_from_0_pkey;
        CREATE TABLE attempts (LIKE attempts_from_0 INCLUDING DEFAULTS) PARTITION BY RANGE (campaign_id);
        ALTER TABLE attempts ADD PRIMARY KEY (campaign_id, seq, attempt);
        ALTER TABLE attempts ADD CONSTRAINT attempts_outcome_check
            CHECK (outcome IN ('deferred', 'rejected', 'expired', 'unknown'));
        EXECUTE format('ALTER TABLE attempts ATTACH PARTITION attempts_from_0 FOR VALUES FROM (MINVALUE) TO (%s)', bound);
    END IF;
END $$;
COMMIT;

-- When the single deliveries of a campaign were removed; nothing while they are there. And when it was cancelled: of those that
-- were before this the last outcome tells it.
ALTER TABLE campaigns ADD COLUMN IF NOT EXISTS deliveries_removed_at BIGINT;
ALTER TABLE campaigns ADD COLUMN IF NOT EXISTS cancelled_at BIGINT;
