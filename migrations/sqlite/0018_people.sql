-- Who may use the dashboard. Without a password until they have followed their link.
CREATE TABLE people (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('administrator', 'editor', 'viewer')),
    password_hash TEXT,
    disabled_at BIGINT,
    created_at BIGINT NOT NULL
);

-- Links that let a person choose a password, once. person_id is null in the link of the first start, which makes the first
-- administrator. Of all secrets in these tables only the SHA-256 is kept.
CREATE TABLE entry_links (
    digest BLOB PRIMARY KEY,
    person_id BIGINT,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE person_sessions (
    digest BLOB PRIMARY KEY,
    person_id BIGINT NOT NULL,
    csrf TEXT NOT NULL,
    agent TEXT NOT NULL,
    network TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX person_sessions_person ON person_sessions (person_id);

-- For programs.
CREATE TABLE access_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('administrator', 'editor', 'viewer')),
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    expires_at BIGINT
);

-- What people changed. Who they were then, in words: a person may be renamed.
CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    network TEXT NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    detail TEXT NOT NULL
);
