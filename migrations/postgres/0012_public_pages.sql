-- What an unsubscribe was about ('lists' of its campaign, or 'all'), why, and when the recipient took it back.
ALTER TABLE unsubscribes ADD COLUMN scope TEXT NOT NULL DEFAULT 'lists' CHECK (scope IN ('lists', 'all'));
ALTER TABLE unsubscribes ADD COLUMN reason TEXT;
ALTER TABLE unsubscribes ADD COLUMN comment TEXT;
ALTER TABLE unsubscribes ADD COLUMN undone_at BIGINT;

-- Which lists an unsubscribe left and how the recipient had stood on each ('none': not at all), so that it can be taken back.
CREATE TABLE left_lists (
    campaign_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    list_id BIGINT NOT NULL,
    was TEXT NOT NULL CHECK (was IN ('none', 'pending', 'confirmed')),
    PRIMARY KEY (campaign_id, recipient_id, list_id)
);

-- Who wants no mail until when, from any list.
CREATE TABLE pauses (
    recipient_id BIGINT PRIMARY KEY,
    paused_until BIGINT NOT NULL,
    campaign_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    reason TEXT,
    comment TEXT
);
