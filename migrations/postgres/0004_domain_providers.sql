-- Who runs the mailboxes of a domain, as the DNS said.
CREATE TABLE domain_providers (
    domain TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    looked_up_at BIGINT NOT NULL
);
