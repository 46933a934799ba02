-- Tables of the schema that rows of several tenants could be read from. Partitions are reached through their parent only,
-- so they may go without a policy as long as nobody was granted anything on them.
SELECT c.relname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1
    AND c.relkind IN ('r', 'p')
    AND c.relname <> '_migrations'
    AND NOT (c.relispartition AND (c.relacl IS NULL OR NOT EXISTS (
        SELECT FROM pg_catalog.aclexplode(c.relacl) g WHERE g.grantee <> c.relowner)))
    AND NOT (
        c.relrowsecurity
        AND c.relforcerowsecurity
        AND EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)
        -- Whoever is not the worker sees and writes the rows of one tenant; what only restricts may say anything.
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_policy p
            CROSS JOIN LATERAL (SELECT format('(tenant_id = %I.current_tenant())', $1) AS text) own
            WHERE p.polrelid = c.oid AND p.polpermissive
                AND p.polroles <> ARRAY[pg_catalog.to_regrole(quote_ident($1 || '_worker'))::oid]
                AND NOT (
                    pg_catalog.pg_get_expr(p.polqual, p.polrelid) IS NOT DISTINCT FROM own.text
                    AND pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) IS NOT DISTINCT FROM own.text
                )
        )
    )
ORDER BY c.relname
