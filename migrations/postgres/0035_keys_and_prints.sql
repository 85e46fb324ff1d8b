-- no-transaction
-- Comparison keys of addresses are in the order of their octets everywhere, as those of recipients and suppressions are: an index
-- of another order does not serve to look them up. No table is rewritten for it; its indices would be, and so the large ones go and are made
-- anew beside others (0036, 0037). Each table is a transaction of its own, which may have been done before.

BEGIN;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'feedback_events'::regclass AND attname = 'address_key'
        AND attcollation = '"C"'::regcollation) THEN
        DROP INDEX IF EXISTS feedback_events_by_address;
        ALTER TABLE feedback_events ALTER COLUMN address_key TYPE TEXT COLLATE "C";
    END IF;
END $$;
COMMIT;

BEGIN;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'letters'::regclass AND attname = 'address_key'
        AND attcollation = '"C"'::regcollation) THEN
        DROP INDEX IF EXISTS letters_by_address;
        ALTER TABLE letters ALTER COLUMN address_key TYPE TEXT COLLATE "C";
    END IF;
END $$;
COMMIT;

-- Of these there are few rows: the index of the primary key is made anew in a moment.
BEGIN;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'lifted_suppressions'::regclass AND attname = 'address_key'
        AND attcollation = '"C"'::regcollation) THEN
        ALTER TABLE lifted_suppressions ALTER COLUMN address_key TYPE TEXT COLLATE "C";
    END IF;
END $$;
COMMIT;

BEGIN;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'address_changes'::regclass AND attname = 'from_key'
        AND attcollation = '"C"'::regcollation) THEN
        ALTER TABLE address_changes ALTER COLUMN from_key TYPE TEXT COLLATE "C";
    END IF;
END $$;
COMMIT;

-- What changes with the octets of a file; nothing for those that were kept before.
ALTER TABLE campaign_files ADD COLUMN IF NOT EXISTS print TEXT;
