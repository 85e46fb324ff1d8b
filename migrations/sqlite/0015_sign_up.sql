INSERT INTO sequences (name, next) VALUES ('sign_ups', 1);

-- What people who sign up for a list are asked, as JSON; nothing where nobody may sign up.
ALTER TABLE lists ADD COLUMN sign_up TEXT;

-- Who asked for a list's mail, by what words, and when that was confirmed: the proof of consent. What was never confirmed is
-- forgotten after a while.
CREATE TABLE sign_ups (
    id BIGINT PRIMARY KEY,
    list_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    address TEXT NOT NULL,
    form TEXT NOT NULL,
    language TEXT NOT NULL,
    text TEXT NOT NULL,
    text_shown_by TEXT NOT NULL CHECK (text_shown_by IN ('page', 'form', 'unproven')),
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    network TEXT,
    user_agent TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    made_recipient BIGINT NOT NULL,
    made_subscription BIGINT NOT NULL,
    confirmed_at BIGINT,
    confirmed_network TEXT,
    confirmed_user_agent TEXT,
    was TEXT
);
CREATE INDEX sign_ups_by_recipient ON sign_ups (recipient_id, list_id);
CREATE INDEX sign_ups_open ON sign_ups (expires_at) WHERE confirmed_at IS NULL;
