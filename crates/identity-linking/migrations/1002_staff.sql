-- Branches of a tenant.
CREATE TABLE identity.organization (
    tenant_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL,
    external_reference text,
    create_time timestamptz NOT NULL,
    CONSTRAINT organization_pkey PRIMARY KEY (tenant_id, organization_id),
    CONSTRAINT organization_tenant FOREIGN KEY (tenant_id) REFERENCES identity.tenant,
    CONSTRAINT organization_external_reference UNIQUE (tenant_id, external_reference)
);
CREATE INDEX organization_by_age ON identity.organization (tenant_id, create_time, organization_id);
SELECT identity.isolate('identity.organization', 'SELECT, INSERT, UPDATE');

-- People who work for a tenant.
CREATE TABLE identity.staff_member (
    tenant_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL,
    rights text[] NOT NULL,
    administrator boolean NOT NULL,
    active boolean NOT NULL,
    external_reference text,
    email_address text,
    create_time timestamptz NOT NULL,
    CONSTRAINT staff_member_pkey PRIMARY KEY (tenant_id, staff_id),
    CONSTRAINT staff_member_tenant FOREIGN KEY (tenant_id) REFERENCES identity.tenant,
    CONSTRAINT staff_member_external_reference UNIQUE (tenant_id, external_reference)
);
CREATE INDEX staff_member_by_age ON identity.staff_member (tenant_id, create_time, staff_id);
SELECT identity.isolate('identity.staff_member', 'SELECT, INSERT, UPDATE');

-- Where they work.
CREATE TABLE identity.staff_organization (
    tenant_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT staff_organization_pkey PRIMARY KEY (tenant_id, staff_id, organization_id),
    CONSTRAINT staff_organization_staff FOREIGN KEY (tenant_id, staff_id) REFERENCES identity.staff_member,
    CONSTRAINT staff_organization_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES identity.organization
);
CREATE INDEX staff_organization_by_organization ON identity.staff_organization (tenant_id, organization_id);
SELECT identity.isolate('identity.staff_organization', 'SELECT, INSERT, DELETE');
