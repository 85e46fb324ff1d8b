-- When a second factor was begun: one that is not confirmed within an hour counts no more. Those without a time are old.
ALTER TABLE second_factors ADD COLUMN begun_at BIGINT;
