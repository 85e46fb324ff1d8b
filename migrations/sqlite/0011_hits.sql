-- What programs call themselves.
CREATE TABLE hit_agents (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Names of the rules that judged.
CREATE TABLE hit_rules (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Fetches of pixels, links and traps by recipients who are known, with the evidence. Those of one recipient lie together,
-- because they are judged together. Anonymous ones are only counted.
CREATE TABLE hits (
    campaign_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- 0: the pixel; -1: the trap; else the link's number.
    target BIGINT NOT NULL,
    -- Seconds since the relay took the message; nothing if that is not known.
    delay BIGINT,
    -- Nothing: the program did not say, or there were too many names.
    agent_id BIGINT,
    -- Of IPv4 the first 24 bits; of IPv6 the first 48, plus 2^48.
    network BIGINT,
    -- 1: asked for by HEAD; 2: the program said that it fetches beforehand.
    signs BIGINT NOT NULL,
    -- 0: scanner, 1: privacy_proxy, 2: unknown, 3: human.
    verdict BIGINT NOT NULL,
    rule_id BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, recipient_id, at, target)
) WITHOUT ROWID;

-- What each recipient did with a campaign: the greatest verdict of the opens and clicks, -1 if there was none.
CREATE TABLE hit_recipients (
    campaign_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    open_verdict BIGINT NOT NULL,
    opened_at BIGINT,
    click_verdict BIGINT NOT NULL,
    clicked_at BIGINT,
    -- The last time that the trap was hit.
    trapped_at BIGINT,
    PRIMARY KEY (campaign_id, recipient_id)
) WITHOUT ROWID;

-- Hits by the hour (since 1970). Each node adds to its own rows, so a single row may be negative; the sum is the truth.
CREATE TABLE hit_counters (
    campaign_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    node TEXT NOT NULL,
    target BIGINT NOT NULL,
    verdict BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, hour, node, target, verdict)
) WITHOUT ROWID;

-- How many recipients opened or clicked, by the greatest verdict of each; in the same way.
CREATE TABLE hit_recipient_counters (
    campaign_id BIGINT NOT NULL,
    node TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('open', 'click')),
    verdict BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, node, kind, verdict)
) WITHOUT ROWID;
