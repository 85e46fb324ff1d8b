-- The second factor of people who want one: the key of their codes (RFC 6238), which must be readable to be checked, and the
-- last step whose code was used. Not asked for until a first code has shown that their device has the key.
CREATE TABLE second_factors (
    person_id BIGINT PRIMARY KEY,
    key BYTEA NOT NULL,
    confirmed_at BIGINT,
    last_step BIGINT NOT NULL
);

-- For people without their device; each works once.
CREATE TABLE recovery_codes (
    person_id BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (person_id, digest)
);

-- People whose password was right, and whose code is waited for.
CREATE TABLE half_sign_ins (
    digest BYTEA PRIMARY KEY,
    person_id BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
