-- no-transaction
-- What 0035 took away. It is alone in its file, and named in `store/schema.rs`: docs/retention.md.
CREATE INDEX CONCURRENTLY letters_by_address ON letters (address_key, queued_at);
