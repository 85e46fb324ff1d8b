-- Over how many seconds the messages of a campaign are spread from its start on; nothing: as fast as the limits let them.
ALTER TABLE campaigns ADD COLUMN spread_seconds BIGINT;
