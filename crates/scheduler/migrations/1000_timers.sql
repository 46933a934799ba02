-- Every timer that has not been said. Programs' timers, messages that go at a chosen time, reminders: IDs and moments alone.
--
-- generation    which version of it; whoever knows a higher one hears of the past
-- policy        what becomes of it when it is late, as the core numbers it; late_seconds and merge_key belong to it
-- part          which of 64 parts its tenant belongs to: whoever fires timers takes whole parts
-- near          whether it is in the calendar, the index of the timers of about the next hour
CREATE TABLE {schema}.timer (
    tenant_id uuid NOT NULL,
    owner text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    due timestamptz NOT NULL,
    policy smallint NOT NULL,
    late_seconds int NOT NULL,
    merge_key text,
    part smallint NOT NULL,
    near boolean NOT NULL,
    PRIMARY KEY (tenant_id, owner, key)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX timer_near ON {schema}.timer (part, tenant_id, due) WHERE near;
CREATE INDEX timer_far ON {schema}.timer (due) WHERE NOT near;
SELECT {schema}.isolate('{schema}.timer');
SELECT {schema}.isolate_queue('{schema}.timer', 'SELECT, UPDATE (near), DELETE');

-- Timers that were not said, with the reason as the core numbers it. Kept for 30 days.
CREATE TABLE {schema}.missed_timer (
    tenant_id uuid NOT NULL,
    owner text COLLATE "C" NOT NULL,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    generation bigint NOT NULL,
    due timestamptz NOT NULL,
    reason smallint NOT NULL,
    missed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, owner, sequence)
);
CREATE INDEX missed_timer_at ON {schema}.missed_timer USING brin (missed_at)
    WITH (pages_per_range = 16, autosummarize = on);
SELECT {schema}.isolate('{schema}.missed_timer', 'SELECT');
SELECT {schema}.isolate_queue('{schema}.missed_timer', 'SELECT, INSERT, DELETE');

-- The newest version of each message's schedule that was heard of, so that a late older one brings no cancelled timer back. Kept for
-- longer than any event comes again.
CREATE TABLE {schema}.message_schedule (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    generation bigint NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, message_id)
);
CREATE INDEX message_schedule_heard ON {schema}.message_schedule (heard_at);
SELECT {schema}.isolate('{schema}.message_schedule', 'SELECT, INSERT, UPDATE');
SELECT {schema}.isolate_queue('{schema}.message_schedule', 'SELECT, DELETE');

-- The statements of whoever fires timers. Each reads as many rows as it returns, through the index it names by its order: sorting and
-- bitmaps are off, so that no plan, whenever it was made, can read the table instead.

-- Looks into parts, one after the other, for tenants with due timers, until `most` are found; each part it looks into is locked for the
-- transaction. A part that somebody else works on is passed over, as are owners that this version does not say.
--   1  a tenant has due timers
--   2  the part is looked through; first: the next moment in it, none where nothing is in the calendar
--   3  the part is not looked through; tenant: the last one found
--   4  somebody else works on the part
CREATE FUNCTION {schema}.timer_look(
    parts smallint[], begins uuid[], ahead interval, most int, unspoken text[]
) RETURNS TABLE (outcome smallint, of_part smallint, tenant uuid, first timestamptz, moment timestamptz)
    LANGUAGE plpgsql ROWS 100
    SET plan_cache_mode = force_generic_plan
    SET enable_sort = off
    SET enable_incremental_sort = off
    SET enable_bitmapscan = off
    AS $$
DECLARE
    due_tenants int := 0;
    head_tenant uuid;
    head_due timestamptz;
    soonest timestamptz;
BEGIN
    moment := now() + ahead;
    FOR i IN 1 .. cardinality(parts) LOOP
        EXIT WHEN due_tenants >= most;
        of_part := parts[i];
        tenant := begins[i];
        soonest := NULL;
        first := NULL;
        IF NOT pg_try_advisory_xact_lock(hashtext('{schema}.timer'), of_part) THEN
            outcome := 4;
            RETURN NEXT;
            CONTINUE;
        END IF;
        outcome := 2;
        LOOP
            SELECT t.tenant_id, t.due INTO head_tenant, head_due FROM {schema}.timer t
                WHERE t.near AND t.part = of_part AND t.tenant_id > tenant AND t.owner <> ALL (unspoken)
                ORDER BY t.tenant_id, t.due LIMIT 1;
            EXIT WHEN NOT FOUND;
            IF due_tenants >= most THEN
                outcome := 3;
                EXIT;
            END IF;
            tenant := head_tenant;
            IF head_due <= moment THEN
                outcome := 1;
                first := head_due;
                RETURN NEXT;
                outcome := 2;
                due_tenants := due_tenants + 1;
            ELSE
                soonest := least(soonest, head_due);
            END IF;
        END LOOP;
        first := soonest;
        RETURN NEXT;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.timer_look(smallint[], uuid[], interval, int, text[]) TO {schema}_worker;

-- Takes due timers of tenants, as many of each, the longest due first. What somebody is moving or cancelling at this moment stays. Each
-- tenant's end with a row without a timer: the next moment that is left; null: none.
CREATE FUNCTION {schema}.timer_take(
    parts smallint[], tenants uuid[], share int, ahead interval, unspoken text[]
) RETURNS TABLE (
    tenant uuid, of_owner text, named text, version bigint, moment timestamptz, late_policy smallint, late int, merges_into text
)
    LANGUAGE plpgsql ROWS 1000
    SET plan_cache_mode = force_generic_plan
    SET enable_sort = off
    SET enable_incremental_sort = off
    SET enable_bitmapscan = off
    AS $$
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        RETURN QUERY DELETE FROM {schema}.timer d WHERE d.ctid = ANY (ARRAY(
                SELECT t.ctid FROM {schema}.timer t
                WHERE t.near AND t.part = parts[i] AND t.tenant_id = tenants[i] AND t.due <= now() + ahead
                    AND t.owner <> ALL (unspoken)
                ORDER BY t.due LIMIT share FOR UPDATE SKIP LOCKED))
            RETURNING d.tenant_id, d.owner, d.key, d.generation, d.due, d.policy, d.late_seconds, d.merge_key;
        tenant := tenants[i];
        SELECT t.due INTO moment FROM {schema}.timer t
            WHERE t.near AND t.part = parts[i] AND t.tenant_id = tenants[i] AND t.owner <> ALL (unspoken)
            ORDER BY t.due LIMIT 1;
        RETURN NEXT;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.timer_take(smallint[], uuid[], int, interval, text[]) TO {schema}_worker;

-- Enters timers whose moment is less than `near_for` away into the calendar, the soonest first: their parts, and the first moment in each.
CREATE FUNCTION {schema}.timer_enter(near_for interval, most int)
RETURNS TABLE (of_part smallint, first timestamptz, entered bigint)
    LANGUAGE plpgsql ROWS 64
    SET plan_cache_mode = force_generic_plan
    SET enable_bitmapscan = off
    AS $$
BEGIN
    RETURN QUERY WITH entered AS (
        UPDATE {schema}.timer e SET near = true WHERE e.ctid = ANY (ARRAY(
            SELECT t.ctid FROM {schema}.timer t WHERE NOT t.near AND t.due < now() + near_for
            ORDER BY t.due LIMIT most FOR UPDATE SKIP LOCKED))
        RETURNING e.part, e.due
    ) SELECT e.part, min(e.due), count(*) FROM entered e GROUP BY e.part;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.timer_enter(interval, int) TO {schema}_worker;
