-- A template in other languages. The row in templates is the fallback for every other one.
CREATE TABLE template_translations (
    template_id BIGINT NOT NULL REFERENCES templates (id),
    language TEXT NOT NULL,
    subject TEXT,
    html TEXT NOT NULL,
    text TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (template_id, language)
) WITHOUT ROWID;

-- The files of a campaign, as they were when it was made: attachments, and with a content_id images that the HTML shows.
CREATE TABLE campaign_files (
    campaign_id BIGINT NOT NULL REFERENCES campaigns (id),
    position BIGINT NOT NULL,
    file_name TEXT NOT NULL,
    content_id TEXT,
    octets BLOB NOT NULL,
    PRIMARY KEY (campaign_id, position)
);

-- The attribute that names a recipient's own file, and the one that names the recipient's language.
ALTER TABLE campaigns ADD COLUMN attach_from TEXT;
ALTER TABLE campaigns ADD COLUMN language_attribute TEXT NOT NULL DEFAULT 'language';
