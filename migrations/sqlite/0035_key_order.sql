-- Comparison keys of addresses are in the order of their octets everywhere. SQLite has no other.
SELECT 1;
