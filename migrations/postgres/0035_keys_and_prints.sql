-- Comparison keys of addresses are in the order of their octets everywhere, as those of recipients and suppressions are: an index
-- of another order does not serve to look them up.
ALTER TABLE feedback_events ALTER COLUMN address_key TYPE TEXT COLLATE "C";
ALTER TABLE lifted_suppressions ALTER COLUMN address_key TYPE TEXT COLLATE "C";
ALTER TABLE letters ALTER COLUMN address_key TYPE TEXT COLLATE "C";
ALTER TABLE address_changes ALTER COLUMN from_key TYPE TEXT COLLATE "C";

-- What changes with the octets of a file; nothing for those that were kept before.
ALTER TABLE campaign_files ADD COLUMN print TEXT;
