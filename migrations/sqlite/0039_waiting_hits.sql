-- Hits that came in a crowd, many in a row, in the order of their coming: durable, and neither judged nor counted yet. They are
-- folded into the other tables, and are gone from here, within seconds.
CREATE TABLE waiting_hits (
    -- Never used twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- How many.
    n BIGINT NOT NULL,
    -- 0: as they came; 1: in the order of their recipients, ready to be folded; 2: cannot be read, and is left.
    stage BIGINT NOT NULL,
    packed BLOB NOT NULL
);
