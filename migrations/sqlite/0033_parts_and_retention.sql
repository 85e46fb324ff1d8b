-- On PostgreSQL the ledger is partitioned by ranges of campaigns; SQLite has no such thing and keeps it in one table.

-- When the single deliveries of a campaign were removed; nothing while they are there.
ALTER TABLE campaigns ADD COLUMN deliveries_removed_at BIGINT;
