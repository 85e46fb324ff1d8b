-- On PostgreSQL the ledger is partitioned by ranges of campaigns; SQLite has no such thing and keeps it in one table.

-- When the single deliveries of a campaign were removed; nothing while they are there. And when it was cancelled: of those that
-- were before this the last outcome tells it.
ALTER TABLE campaigns ADD COLUMN deliveries_removed_at BIGINT;
ALTER TABLE campaigns ADD COLUMN cancelled_at BIGINT;
