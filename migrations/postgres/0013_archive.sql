-- A retired key keeps its number and loses its secret: what it has signed is not accepted any more.
ALTER TABLE signing_keys ADD COLUMN retired_at BIGINT;

-- Lists whose newsletters anybody may read, and campaigns that are kept out of it.
ALTER TABLE lists ADD COLUMN archived BIGINT NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN archive_hidden BIGINT NOT NULL DEFAULT 0;

-- A finished campaign as strangers see it, merged once with nobody's data; or why it cannot be shown so.
CREATE TABLE archive_issues (
    campaign_id BIGINT PRIMARY KEY,
    subject TEXT NOT NULL,
    html TEXT NOT NULL,
    problem TEXT,
    made_at BIGINT NOT NULL
);
