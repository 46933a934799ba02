-- What became of a quarantined body. Once it is released or dropped its payload is empty: what was let in is a body like any other.
ALTER TABLE ingest.quarantined_body
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'released', 'dropped')),
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN principal_id uuid,
    ADD COLUMN staff_id uuid;
GRANT UPDATE (version, state, settled_at, principal_id, staff_id, payload) ON ingest.quarantined_body TO ingest;

-- What is let in later, one tenant's at a time, is stored in the transaction that reads it: by the role that may read it. The
-- statement that stores also ends publications; here it is given none.
GRANT INSERT ON ingest.seen_event, ingest.body TO ingest;
GRANT DELETE ON ingest.publication TO ingest;

-- Weeks of event IDs that stay though they lie outside of the window, for a person had an event of theirs let in.
CREATE TABLE ingest.kept_week (
    tenant_id uuid NOT NULL,
    week timestamptz NOT NULL,
    kept_until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, week)
);
CREATE INDEX kept_week_until ON ingest.kept_week (kept_until);
SELECT ingest.isolate('ingest.kept_week', 'SELECT, INSERT, UPDATE');
SELECT ingest.isolate_queue('ingest.kept_week', 'SELECT, DELETE');
GRANT EXECUTE ON FUNCTION ingest.partition_start(text, timestamptz) TO ingest;

-- Drops one partition that lies wholly before a moment, the oldest first, but for those of the weeks that are spared; tells whether there
-- was one. Waits at most half a second for its lock: a long reader must not hold up inserts.
CREATE FUNCTION ingest.drop_partition_before(parent text, moment timestamptz, spared timestamptz[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
    AS $$
DECLARE
    child text;
BEGIN
    IF parent NOT IN ('seen_event', 'body', 'quarantined_body') THEN
        RAISE EXCEPTION 'not a partitioned table: %', parent;
    END IF;
    SELECT c.relname INTO child
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('ingest.%I', parent)::regclass
        AND c.relname < parent || '_' || to_char(ingest.partition_start(parent, moment) AT TIME ZONE 'UTC', 'YYYYMMDD')
        AND c.relname NOT IN (
            SELECT parent || '_' || to_char(ingest.partition_start(parent, start) AT TIME ZONE 'UTC', 'YYYYMMDD')
            FROM unnest(spared) AS start)
    ORDER BY c.relname LIMIT 1;
    IF child IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE ingest.%I', child);
    RETURN true;
END
$$;
GRANT EXECUTE ON FUNCTION ingest.drop_partition_before(text, timestamptz, timestamptz[]) TO ingest_worker;

-- The same that spares nothing, for replicas of the version before while they run beside this one.
CREATE OR REPLACE FUNCTION ingest.drop_partition_before(parent text, moment timestamptz) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
    AS $$ SELECT ingest.drop_partition_before(parent, moment, '{}') $$;
