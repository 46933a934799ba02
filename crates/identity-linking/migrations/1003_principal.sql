-- Programs that call Tsunagi. A tenant_id of nil: the platform's own, which is why no foreign key leads to the tenant.
CREATE TABLE identity.principal (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    rights text[] NOT NULL,
    methods text[] NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz,
    revoke_time timestamptz,
    CONSTRAINT principal_pkey PRIMARY KEY (tenant_id, principal_id)
);
CREATE INDEX principal_by_age ON identity.principal (tenant_id, create_time, principal_id);
SELECT identity.isolate('identity.principal', 'SELECT, INSERT, UPDATE');

-- Keys that sign staff assertions for them.
CREATE TABLE identity.assertion_key (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    key_id text NOT NULL,
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    CONSTRAINT assertion_key_pkey PRIMARY KEY (tenant_id, principal_id, key_id),
    CONSTRAINT assertion_key_principal FOREIGN KEY (tenant_id, principal_id) REFERENCES identity.principal
);
SELECT identity.isolate('identity.assertion_key', 'SELECT, INSERT, DELETE');
