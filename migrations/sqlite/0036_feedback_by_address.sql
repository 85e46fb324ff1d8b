-- On PostgreSQL an index is made anew, in the order of octets. SQLite has no other.
SELECT 1;
