-- Templates as they were saved, the newest being what is there now; of each language the last 51. The language is empty for the
-- template itself.
CREATE TABLE template_versions (
    template_id BIGINT NOT NULL REFERENCES templates (id),
    language TEXT NOT NULL,
    n BIGINT NOT NULL,
    saved_at BIGINT NOT NULL,
    saved_by TEXT NOT NULL,
    subject TEXT,
    html TEXT NOT NULL,
    text TEXT,
    PRIMARY KEY (template_id, language, n)
);
