-- The newest suppressions stand on a page, of however many there are.
CREATE INDEX suppressions_by_time ON suppressions (created_at, address_key);
