-- Recipients who changed their address themselves: when, and the comparison key of the former one. What came back of messages
-- from before is about that one.
CREATE TABLE address_changes (
    recipient_id BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    from_key TEXT NOT NULL,
    PRIMARY KEY (recipient_id, changed_at)
) WITHOUT ROWID;

-- Lists that recipients joined themselves by the page behind a message's link: what was written there, and from which network.
CREATE TABLE own_joins (
    recipient_id BIGINT NOT NULL,
    list_id BIGINT NOT NULL,
    joined_at BIGINT NOT NULL,
    campaign_id BIGINT NOT NULL,
    text TEXT NOT NULL,
    network TEXT,
    PRIMARY KEY (recipient_id, list_id, joined_at)
) WITHOUT ROWID;

-- Addresses of people who have had everything about them erased: the HMAC-SHA256 of the comparison key, in lower-case hexadecimal.
CREATE TABLE erased_addresses (
    hash TEXT PRIMARY KEY,
    erased_at BIGINT NOT NULL
) WITHOUT ROWID;

-- The secret of these: one row, made with the first of them. It is never rotated, since nobody could make the hashes anew.
CREATE TABLE erasure_key (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    secret BLOB NOT NULL
);
