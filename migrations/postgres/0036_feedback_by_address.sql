-- no-transaction
-- What 0035 took away. It is alone in its file, and named in `store/schema.rs`: docs/retention.md.
CREATE INDEX CONCURRENTLY feedback_events_by_address ON feedback_events (address_key, id);
