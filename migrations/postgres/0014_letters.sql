INSERT INTO sequences (name, next) VALUES ('letters', 1);

-- Mails that the engine itself writes to one person: confirmations, tests, notices. They have states as deliveries have, but
-- no campaign. What was said in one is forgotten when it is done with; the row stays for some days, for the caps.
CREATE TABLE letters (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    address_key TEXT NOT NULL,
    sender_domain TEXT NOT NULL,
    message BYTEA,
    list_id BIGINT,
    network TEXT,
    once TEXT UNIQUE,
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN
        ('queued', 'leased', 'on_wire', 'accepted', 'deferred', 'rejected', 'expired', 'unknown')),
    owner TEXT,
    held_until BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    first_attempt_at BIGINT,
    queued_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    settled_at BIGINT,
    relay TEXT,
    code BIGINT,
    enhanced TEXT,
    reply TEXT,
    class TEXT,
    cause TEXT,
    reason TEXT
);
CREATE INDEX letters_open ON letters (due_at) WHERE state IN ('queued', 'leased', 'on_wire', 'deferred');
CREATE INDEX letters_by_address ON letters (address_key, queued_at);
CREATE INDEX letters_by_network ON letters (network, queued_at);
CREATE INDEX letters_by_list ON letters (list_id, queued_at);
