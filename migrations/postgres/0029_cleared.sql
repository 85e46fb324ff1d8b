-- Of what the pre-flight list was made that cleared a scheduled campaign; nothing if whoever scheduled it asked for none.
ALTER TABLE campaigns ADD COLUMN cleared_fingerprint TEXT;
