-- The tenant this transaction works for; null outside of one, and then no row is visible. Not `SET search_path`, so that
-- the planner can inline it; every name is qualified instead.
CREATE FUNCTION {schema}.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT NULLIF(pg_catalog.current_setting('tsunagi.tenant', true), '')::pg_catalog.uuid $$;
REVOKE ALL ON FUNCTION {schema}.current_tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.current_tenant() TO {schema}, {schema}_worker;

-- Forces row-level security on a table. Its rows must say whose they are, and be found by that first.
CREATE FUNCTION {schema}.force_isolation(target regclass) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = target AND i.indisprimary AND a.attname = 'tenant_id' AND a.attnotnull
            AND a.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype
    ) THEN
        RAISE EXCEPTION 'the primary key of % must begin with tenant_id uuid', target;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
END
$$;

-- The service role sees and changes the rows of its transaction's tenant. `grants` narrows what it may do.
CREATE FUNCTION {schema}.isolate(target regclass, grants text DEFAULT 'SELECT, INSERT, UPDATE, DELETE') RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM {schema}.force_isolation(target);
    EXECUTE format('CREATE POLICY tenant ON %s TO {schema} USING (tenant_id = {schema}.current_tenant())
        WITH CHECK (tenant_id = {schema}.current_tenant())', target);
    EXECUTE format('GRANT %s ON %s TO {schema}', grants, target);
END
$$;

-- The worker role sees the rows of every tenant. For queue tables: IDs, times, states and hashes, no personal data; name
-- columns in `grants` (`SELECT (tenant_id, id), DELETE`) where a row holds more.
CREATE FUNCTION {schema}.isolate_queue(target regclass, grants text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM {schema}.force_isolation(target);
    EXECUTE format('CREATE POLICY worker ON %s TO {schema}_worker USING (true) WITH CHECK (true)', target);
    EXECUTE format('GRANT %s ON %s TO {schema}_worker', grants, target);
END
$$;

REVOKE ALL ON FUNCTION {schema}.force_isolation(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.isolate(regclass, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.isolate_queue(regclass, text) FROM PUBLIC;
