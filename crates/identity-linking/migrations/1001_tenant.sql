-- Companies that use the platform.
CREATE TABLE identity.tenant (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL,
    time_zone text NOT NULL,
    suspended boolean NOT NULL,
    plan text NOT NULL CHECK (plan IN ('BASIC', 'PREMIUM')),
    line_tab_premium_from date,
    create_time timestamptz NOT NULL,
    CONSTRAINT tenant_pkey PRIMARY KEY (tenant_id)
);
CREATE INDEX tenant_by_age ON identity.tenant (create_time, tenant_id);
SELECT identity.isolate('identity.tenant', 'SELECT, INSERT, UPDATE');
-- Which tenants there are, for lists and snapshots over the platform; what they are called is read under each of them.
SELECT identity.isolate_queue('identity.tenant', 'SELECT (tenant_id, create_time)');
