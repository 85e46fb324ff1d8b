-- Every commit of a sender prolongs its leases: the end of a lease is in no index any more. It is not looked for without the
-- campaign, which has few. (On PostgreSQL there is more to do.)
DROP INDEX IF EXISTS leases_by_campaign;
CREATE INDEX leases_by_campaign ON leases (campaign_id);
