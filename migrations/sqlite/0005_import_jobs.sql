-- An import is a job: it can be gone on with where its last commit was, and taken back.

-- 'running' without a living process goes on by itself; 'stopped' only when a person says so.
ALTER TABLE imports ADD COLUMN state TEXT NOT NULL DEFAULT 'running'
    CHECK (state IN ('running', 'stopped', 'finished', 'undoing', 'undone'));
ALTER TABLE imports ADD COLUMN reason TEXT;
ALTER TABLE imports ADD COLUMN started_by TEXT NOT NULL DEFAULT '';
ALTER TABLE imports ADD COLUMN consent TEXT;
-- The same for the same files, list and options: how the same command is recognised.
ALTER TABLE imports ADD COLUMN fingerprint TEXT;
-- JSON: the files with their checksums, the options, the mapping.
ALTER TABLE imports ADD COLUMN details TEXT;
-- How long the files of rejected and remarked rows were at the last commit.
ALTER TABLE imports ADD COLUMN rejects_octets BIGINT NOT NULL DEFAULT 0;
ALTER TABLE imports ADD COLUMN remarks_octets BIGINT NOT NULL DEFAULT 0;
ALTER TABLE imports ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE imports SET state = CASE WHEN finished_at IS NULL THEN 'stopped' ELSE 'finished' END, updated_at = started_at;
CREATE INDEX imports_by_fingerprint ON imports (fingerprint, state);

-- Recipients that an import created: their ids are taken in ranges.
CREATE TABLE import_created (
    import_id BIGINT NOT NULL,
    first_id BIGINT NOT NULL,
    last_id BIGINT NOT NULL,
    PRIMARY KEY (import_id, first_id)
) WITHOUT ROWID;

-- What an import changed of recipients that were there already, as JSON.
CREATE TABLE import_changes (
    import_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    change TEXT NOT NULL,
    updated_before BIGINT NOT NULL,
    updated_after BIGINT NOT NULL,
    PRIMARY KEY (import_id, recipient_id)
) WITHOUT ROWID;
CREATE INDEX import_changes_by_recipient ON import_changes (recipient_id, import_id);

-- Recipients that an import has seen, where another import has overwritten recipients.import_id since: for an import that
-- is not finished, so that it knows its duplicates; for the newest others, so that an undo knows who has them too.
CREATE TABLE import_seen (
    import_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    PRIMARY KEY (import_id, recipient_id)
) WITHOUT ROWID;

-- By which import a recipient came onto the list, or an address was suppressed.
ALTER TABLE subscriptions ADD COLUMN import_id BIGINT;
ALTER TABLE suppressions ADD COLUMN import_id BIGINT;
CREATE INDEX suppressions_by_import ON suppressions (import_id) WHERE import_id IS NOT NULL;
