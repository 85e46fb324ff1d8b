-- What inboxes show after the subject; and how often the campaign was written, so that nobody writes over what they have not seen.
ALTER TABLE campaigns ADD COLUMN preheader TEXT;
ALTER TABLE campaigns ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;

-- What a campaign says itself, instead of its template. The fallback has the language ''.
CREATE TABLE campaign_drafts (
    campaign_id BIGINT NOT NULL REFERENCES campaigns (id),
    language TEXT NOT NULL,
    subject TEXT,
    preheader TEXT,
    html TEXT NOT NULL,
    text TEXT,
    PRIMARY KEY (campaign_id, language)
);

-- Which campaign a test letter tries.
ALTER TABLE letters ADD COLUMN campaign_id BIGINT;
CREATE INDEX letters_by_campaign ON letters (campaign_id, id) WHERE campaign_id IS NOT NULL;
