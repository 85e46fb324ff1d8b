-- Which of its turns each process that keeps hits has taken last: one whose commit nobody answered is known when it is tried again.
CREATE TABLE hit_writers (
    writer INTEGER PRIMARY KEY,
    turn BIGINT NOT NULL,
    -- When the newest of its hits came.
    at BIGINT NOT NULL
);
