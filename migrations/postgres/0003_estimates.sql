-- How long a campaign will take, as the sender sees it.
ALTER TABLE send_status ADD COLUMN eta_seconds DOUBLE PRECISION;
