-- What identity-linking says about tenants, organizations, accounts, LINE users, friendships, customers and links. The highest version wins.
CREATE TABLE {schema}.tenant_replica (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    time_zone text NOT NULL,
    suspended boolean NOT NULL,
    PRIMARY KEY (tenant_id)
);
SELECT {schema}.isolate('{schema}.tenant_replica');

CREATE TABLE {schema}.organization_replica (
    tenant_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL,
    PRIMARY KEY (tenant_id, organization_id)
);
SELECT {schema}.isolate('{schema}.organization_replica');

-- `purpose` is 1 for customers and 2 for staff. `credential_material` is sealed to this service's own key by identity-linking, and
-- opened in memory only.
CREATE TABLE {schema}.account_replica (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    version bigint NOT NULL,
    provider_id uuid NOT NULL,
    channel_id text NOT NULL,
    display_name text NOT NULL,
    state smallint NOT NULL,
    purpose smallint NOT NULL DEFAULT 1,
    credential_kind smallint NOT NULL,
    credential_material bytea NOT NULL,
    credential_seal_key_id text NOT NULL,
    credential_key_id text NOT NULL,
    owner_organization_id uuid,
    default_organization_id uuid,
    PRIMARY KEY (tenant_id, account_id)
);
CREATE INDEX account_replica_provider ON {schema}.account_replica (tenant_id, provider_id);
SELECT {schema}.isolate('{schema}.account_replica');

CREATE TABLE {schema}.line_user_replica (
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    line_user_id text NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL,
    picture_url text NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, line_user_id)
);
SELECT {schema}.isolate('{schema}.line_user_replica');

CREATE TABLE {schema}.friendship_replica (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    line_user_id text NOT NULL,
    version bigint NOT NULL,
    state smallint NOT NULL,
    state_time timestamptz,
    PRIMARY KEY (tenant_id, account_id, line_user_id)
);
SELECT {schema}.isolate('{schema}.friendship_replica');

CREATE TABLE {schema}.customer_replica (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    version bigint NOT NULL,
    family_name text NOT NULL,
    given_name text NOT NULL,
    organization_id uuid,
    merged_into uuid, -- the customer that absorbed this one
    PRIMARY KEY (tenant_id, customer_id)
);
SELECT {schema}.isolate('{schema}.customer_replica');

-- Ended links stay. While events overtake each other two may look active for one LINE user: the one that began last holds.
CREATE TABLE {schema}.link_replica (
    tenant_id uuid NOT NULL,
    link_id uuid NOT NULL,
    version bigint NOT NULL,
    customer_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    line_user_id text NOT NULL,
    assurance smallint NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL,
    end_time timestamptz,
    PRIMARY KEY (tenant_id, link_id)
);
CREATE INDEX link_replica_customer ON {schema}.link_replica (tenant_id, customer_id) WHERE end_time IS NULL;
CREATE INDEX link_replica_line_user ON {schema}.link_replica (tenant_id, provider_id, line_user_id, create_time, link_id)
    WHERE end_time IS NULL;
SELECT {schema}.isolate('{schema}.link_replica');
