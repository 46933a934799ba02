-- Who may call this service, replicated from identity-linking. `changed` is the writing transaction: a reader that asks for
-- everything not finished before its last snapshot misses no row, in whatever order transactions commit.
CREATE TABLE {schema}.principal_replica (
    tenant_id uuid NOT NULL, -- nil: a principal of the platform
    principal_id uuid NOT NULL,
    version bigint NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    rights int[] NOT NULL,
    methods text[] NOT NULL,
    assertion_key_ids text[] NOT NULL,
    assertion_keys bytea[] NOT NULL,
    revoked_at timestamptz,
    expires_at timestamptz,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, principal_id)
);
CREATE INDEX principal_replica_changed ON {schema}.principal_replica (changed);
SELECT {schema}.isolate('{schema}.principal_replica');
SELECT {schema}.isolate_queue('{schema}.principal_replica', 'SELECT, INSERT, UPDATE');

-- Who acts through those callers. The worker learns that something changed; names are read under the tenant.
CREATE TABLE {schema}.staff_replica (
    tenant_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL,
    organization_ids uuid[] NOT NULL,
    rights int[] NOT NULL,
    administrator boolean NOT NULL,
    active boolean NOT NULL,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, staff_id)
);
CREATE INDEX staff_replica_changed ON {schema}.staff_replica (changed);
SELECT {schema}.isolate('{schema}.staff_replica');
SELECT {schema}.isolate_queue('{schema}.staff_replica', 'SELECT (tenant_id, staff_id, version, changed)');

-- Calls that carried a request ID, with the answer given, for 7 days.
CREATE TABLE {schema}.request (
    tenant_id uuid NOT NULL,
    method text NOT NULL,
    request_id uuid NOT NULL,
    body_hash bytea NOT NULL CHECK (octet_length(body_hash) = 32),
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, method, request_id)
);
CREATE INDEX request_created_at ON {schema}.request (created_at);
SELECT {schema}.isolate('{schema}.request');
SELECT {schema}.isolate_queue('{schema}.request', 'SELECT (tenant_id, method, request_id, created_at), DELETE');

-- Who did what to whom. Rows are only ever added.
CREATE TABLE {schema}.audit (
    tenant_id uuid NOT NULL,
    audit_id bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL CHECK (actor_kind IN ('principal', 'staff', 'operator', 'service')),
    principal_id uuid,
    staff_id uuid,
    service text,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL,
    trace_id text,
    PRIMARY KEY (tenant_id, audit_id)
);
CREATE INDEX audit_subject ON {schema}.audit (tenant_id, subject, audit_id);
SELECT {schema}.isolate('{schema}.audit', 'SELECT, INSERT');

-- Each tenant's data keys, wrapped by a master key that is not in the database.
CREATE TABLE {schema}.data_key (
    tenant_id uuid NOT NULL,
    data_key_id uuid NOT NULL,
    master_key_id text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, data_key_id)
);
SELECT {schema}.isolate('{schema}.data_key', 'SELECT, INSERT, UPDATE');
SELECT {schema}.isolate_queue('{schema}.data_key', 'SELECT (tenant_id, data_key_id, master_key_id)');
