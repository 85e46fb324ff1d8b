-- Which part of each limit which sender may use. Several senders keep a limit together: what they hold never sums to more than
-- it. `held`: messages in the unit of a pace, sessions, messages of an allowance for an hour or a day that are not used yet,
-- or thousandths of a pace that a campaign is spread by. Who has not renewed a row by `valid_until` (microseconds since 1970)
-- does not use it any more. `round` tells its owner whether its last change was committed.
CREATE TABLE limit_shares (
    place TEXT NOT NULL,
    which TEXT NOT NULL,
    owner TEXT NOT NULL,
    held INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    round INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    PRIMARY KEY (place, which, owner)
) WITHOUT ROWID;
