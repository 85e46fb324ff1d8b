-- What pages of the dashboard need to answer at once, however much there is.

-- How many recipients of each list are confirmed. Each node adds to its own rows, so a single row may be negative; the sum over
-- the nodes is the truth.
CREATE TABLE list_counters (
    list_id BIGINT NOT NULL,
    node TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (list_id, node)
) WITHOUT ROWID;
INSERT INTO list_counters (list_id, node, n)
    SELECT list_id, '', COUNT(*) FROM subscriptions WHERE state = 'confirmed' GROUP BY list_id;

-- Suppressions for a rare reason among many others: the newest, and by address.
CREATE INDEX suppressions_by_reason ON suppressions (reason, created_at, address_key);
CREATE INDEX suppressions_of_reason ON suppressions (reason, address_key);

-- What was accepted and who unsubscribed on days that are over, summed from send_counters: of those a page would read a hundred
-- thousand. `sequences` says which day is the next to be summed.
CREATE TABLE sent_days (
    day BIGINT NOT NULL,
    campaign_id BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (day, campaign_id, outcome)
) WITHOUT ROWID;
INSERT INTO sequences (name, next) VALUES ('sent_days', 0);
