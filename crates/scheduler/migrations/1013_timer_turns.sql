-- Whoever fires timers serves tenants as their timers are due, and no longer looks through whole parts: `part` only divides the calendar.
DROP FUNCTION {schema}.timer_look(smallint[], uuid[], interval, int, text[]);
DROP FUNCTION {schema}.timer_take(smallint[], uuid[], int, interval, text[]);
DROP FUNCTION {schema}.timer_enter(interval, int);

-- The statements of whoever fires timers. Each reads as many rows as it returns, through the index it names by its order: sorting and
-- bitmaps are off, so that no plan, whenever it was made, can read the table instead. Owners that this version does not say are passed
-- over.

-- Tenants whose first timer in the calendar is due by now + `reach`, part after part, behind that tenant of the first of them; at most
-- `most`. A step from tenant to tenant costs the same whatever they have in the calendar.
CREATE FUNCTION {schema}.timer_heads(
    from_part int, to_part int, behind uuid, reach interval, most int, unspoken text[]
) RETURNS TABLE (of_part smallint, tenant uuid, first timestamptz, moment timestamptz)
    LANGUAGE plpgsql ROWS 100
    SET plan_cache_mode = force_generic_plan
    SET enable_sort = off
    SET enable_incremental_sort = off
    SET enable_bitmapscan = off
    AS $$
DECLARE
    told int := 0;
BEGIN
    moment := now();
    FOR number IN from_part .. to_part LOOP
        of_part := number;
        tenant := CASE WHEN number = from_part THEN behind ELSE '00000000-0000-0000-0000-000000000000' END;
        LOOP
            SELECT t.tenant_id, t.due INTO tenant, first FROM {schema}.timer t
                WHERE t.near AND t.part = of_part AND t.tenant_id > tenant AND t.owner <> ALL (unspoken)
                ORDER BY t.tenant_id, t.due LIMIT 1;
            EXIT WHEN NOT FOUND;
            IF first <= moment + reach THEN
                RETURN NEXT;
                told := told + 1;
                IF told >= most THEN
                    RETURN;
                END IF;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.timer_heads(int, int, uuid, interval, int, text[]) TO {schema}_worker;

-- Takes due timers of tenants, `share` of each at most, the longest due first, until `most` are taken. A tenant somebody else has in hand
-- is passed over, and what somebody is moving or cancelling at this moment stays. Each tenant that was come to ends with a row without a
-- timer: in `version` how many were taken, less than none of one in somebody else's hand; in `due_at` the next moment that is left.
CREATE FUNCTION {schema}.timer_take(
    parts smallint[], tenants uuid[], share int, most int, ahead interval, unspoken text[]
) RETURNS TABLE (
    tenant uuid, of_owner text, named text, version bigint, due_at timestamptz, late_policy smallint, late int, merges_into text,
    moment timestamptz
)
    LANGUAGE plpgsql ROWS 1000
    SET plan_cache_mode = force_generic_plan
    SET enable_sort = off
    SET enable_incremental_sort = off
    SET enable_bitmapscan = off
    AS $$
DECLARE
    taken bigint := 0;
BEGIN
    moment := now() + ahead;
    FOR i IN 1 .. cardinality(tenants) LOOP
        EXIT WHEN taken >= most;
        tenant := tenants[i];
        due_at := NULL;
        version := -1;
        IF pg_try_advisory_xact_lock(hashtext('{schema}.timer'), hashtext(tenant::text)) THEN
            RETURN QUERY DELETE FROM {schema}.timer d WHERE d.ctid = ANY (ARRAY(
                    SELECT t.ctid FROM {schema}.timer t
                    WHERE t.near AND t.part = parts[i] AND t.tenant_id = tenants[i] AND t.due <= moment
                        AND t.owner <> ALL (unspoken)
                    ORDER BY t.due LIMIT share FOR UPDATE SKIP LOCKED))
                RETURNING d.tenant_id, d.owner, d.key, d.generation, d.due, d.policy, d.late_seconds, d.merge_key, moment;
            GET DIAGNOSTICS version = ROW_COUNT;
            taken := taken + version;
            SELECT t.due INTO due_at FROM {schema}.timer t
                WHERE t.near AND t.part = parts[i] AND t.tenant_id = tenants[i] AND t.owner <> ALL (unspoken)
                ORDER BY t.due LIMIT 1;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.timer_take(smallint[], uuid[], int, int, interval, text[]) TO {schema}_worker;

-- Enters timers whose moment is less than `near_for` away into the calendar, the soonest first: their tenants, the first moment of each,
-- and how many.
CREATE FUNCTION {schema}.timer_enter(near_for interval, most int)
RETURNS TABLE (tenant uuid, first timestamptz, entered bigint)
    LANGUAGE plpgsql ROWS 100
    SET plan_cache_mode = force_generic_plan
    SET enable_bitmapscan = off
    AS $$
BEGIN
    RETURN QUERY WITH entered AS (
        UPDATE {schema}.timer e SET near = true WHERE e.ctid = ANY (ARRAY(
            SELECT t.ctid FROM {schema}.timer t WHERE NOT t.near AND t.due < now() + near_for
            ORDER BY t.due LIMIT most FOR UPDATE SKIP LOCKED))
        RETURNING e.tenant_id, e.due
    ) SELECT e.tenant_id, min(e.due), count(*) FROM entered e GROUP BY e.tenant_id;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.timer_enter(interval, int) TO {schema}_worker;
