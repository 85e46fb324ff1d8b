-- What becomes of a campaign's links: its own wish, 'full', 'anonymous' or 'off'; from its start on, what holds. utm: JSON.
ALTER TABLE campaigns ADD COLUMN tracking TEXT;
ALTER TABLE campaigns ADD COLUMN utm TEXT;
-- Those that are on their way go on as they began.
UPDATE campaigns SET tracking = 'off' WHERE started_at IS NOT NULL;

-- What a list wishes for the campaigns that go to it.
ALTER TABLE lists ADD COLUMN tracking TEXT;

-- The tracked links of a campaign, as they were found when it started. languages: parted by blanks, * is the newsletter for
-- everybody else.
CREATE TABLE campaign_links (
    campaign_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    url TEXT NOT NULL,
    text TEXT NOT NULL,
    languages TEXT NOT NULL DEFAULT '*',
    PRIMARY KEY (campaign_id, number)
) WITHOUT ROWID;
