-- An installation that moves to another database (docs/backup.md). In the one that it leaves, `leaves` says so: nothing opens it
-- any more. In the one that it moves into, `arrives` stands until everything has been compared.
CREATE TABLE transfer (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    -- The move: at random, the same on both sides.
    id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('leaves', 'arrives')),
    -- The other database, for people; without user and password.
    other TEXT NOT NULL,
    -- Where the installation moves to, as the database itself tells.
    place TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    -- When both were found to be the same.
    verified_at BIGINT
);

-- How far each table has been written.
CREATE TABLE transfer_tables (
    name TEXT PRIMARY KEY,
    -- The primary key of the last row, as JSON; none before the first.
    last_key TEXT,
    n BIGINT NOT NULL,
    complete BIGINT NOT NULL
);
