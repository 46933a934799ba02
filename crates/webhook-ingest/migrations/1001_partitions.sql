-- The first ID of a moment: ULIDs and UUIDv7s alike begin with 48 bits of milliseconds since 1970.
CREATE FUNCTION ingest.first_id(moment timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
SELECT pg_catalog.rpad(pg_catalog.lpad(pg_catalog.to_hex(
    greatest(pg_catalog.floor(pg_catalog.date_part('epoch', moment) * 1000), 0)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- The beginning of the partition that a moment falls into: bodies by day, so that retention is exact to the day; the small
-- rows by week.
CREATE FUNCTION ingest.partition_start(parent text, moment timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
SELECT pg_catalog.date_trunc(CASE parent WHEN 'body' THEN 'day' ELSE 'week' END, moment AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
$$;

-- Makes the partitions that rows of these moments need. The roles of the service own no table, so this runs as the owner;
-- it takes names from a fixed list only. Attaching, unlike creating in place, does not hold up inserts.
CREATE FUNCTION ingest.ensure_partitions(parent text, moments timestamptz[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    lower_end timestamptz;
    upper_end timestamptz;
    child text;
    made integer := 0;
BEGIN
    IF parent NOT IN ('seen_event', 'body', 'quarantined_body') THEN
        RAISE EXCEPTION 'not a partitioned table: %', parent;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ingest.partitions', 0));
    FOR lower_end IN SELECT DISTINCT ingest.partition_start(parent, moment) FROM unnest(moments) AS moment LOOP
        child := parent || '_' || to_char(lower_end AT TIME ZONE 'UTC', 'YYYYMMDD');
        IF to_regclass('ingest.' || child) IS NULL THEN
            upper_end := lower_end + CASE parent WHEN 'body' THEN interval '1 day' ELSE interval '7 days' END;
            EXECUTE format('CREATE TABLE ingest.%I (LIKE ingest.%I INCLUDING ALL)', child, parent);
            EXECUTE format('ALTER TABLE ingest.%I ATTACH PARTITION ingest.%I FOR VALUES FROM (%L) TO (%L)',
                parent, child, ingest.first_id(lower_end), ingest.first_id(upper_end));
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;
GRANT EXECUTE ON FUNCTION ingest.ensure_partitions(text, timestamptz[]) TO ingest_worker;

-- Drops one partition that lies wholly before a moment, the oldest first; tells whether there was one. Waits at most half a
-- second for its lock: a long reader must not hold up inserts.
CREATE FUNCTION ingest.drop_partition_before(parent text, moment timestamptz) RETURNS boolean
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
    ORDER BY c.relname LIMIT 1;
    IF child IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE ingest.%I', child);
    RETURN true;
END
$$;
GRANT EXECUTE ON FUNCTION ingest.drop_partition_before(text, timestamptz) TO ingest_worker;

SELECT ingest.ensure_partitions(parent, ARRAY[now() - interval '1 day', now(), now() + interval '1 day', now() + interval '2 days'])
FROM unnest(ARRAY['seen_event', 'body', 'quarantined_body']) AS parent;
