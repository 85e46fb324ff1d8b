-- Addresses that must not be mailed, known by the SHA-256 of their comparison key only, in lower-case hexadecimal. A recipient
-- with such an address has a row in suppressions too.
CREATE TABLE suppression_hashes (
    hash TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
