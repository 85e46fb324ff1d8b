-- Comparison keys of addresses are in the order of their octets everywhere. SQLite has no other.

-- What changes with the octets of a file; nothing for those that were kept before.
ALTER TABLE campaign_files ADD COLUMN print TEXT;
