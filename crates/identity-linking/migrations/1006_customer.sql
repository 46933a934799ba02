-- The company's own customers.
CREATE TABLE identity.customer (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    version bigint NOT NULL,
    family_name text,
    given_name text,
    family_reading text,
    given_reading text,
    birth_date date,
    organization_id uuid,
    external_reference text,
    provisional boolean NOT NULL,
    -- What names are compared by: the name, its reading, and the name without regard to variant characters. Empty: nothing to compare.
    name_key text NOT NULL,
    reading_key text NOT NULL,
    variant_key text NOT NULL,
    merged_into uuid, -- the customer that absorbed this one
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT customer_pkey PRIMARY KEY (tenant_id, customer_id),
    CONSTRAINT customer_tenant FOREIGN KEY (tenant_id) REFERENCES identity.tenant,
    CONSTRAINT customer_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES identity.organization,
    CONSTRAINT customer_external_reference UNIQUE (tenant_id, external_reference),
    CONSTRAINT customer_survivor FOREIGN KEY (tenant_id, merged_into) REFERENCES identity.customer,
    CONSTRAINT customer_named CHECK (family_name IS NOT NULL OR given_name IS NOT NULL)
);
CREATE INDEX customer_latest ON identity.customer (tenant_id, update_time DESC, customer_id DESC) WHERE merged_into IS NULL;
CREATE INDEX customer_name_key ON identity.customer (tenant_id, name_key, customer_id) WHERE merged_into IS NULL;
CREATE INDEX customer_reading_key ON identity.customer (tenant_id, reading_key, customer_id) WHERE merged_into IS NULL;
CREATE INDEX customer_variant_key ON identity.customer (tenant_id, variant_key, customer_id) WHERE merged_into IS NULL;
SELECT identity.isolate('identity.customer');

-- Their phones. e164: could be read as such; only those are compared.
CREATE TABLE identity.customer_phone (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    position smallint NOT NULL,
    number text NOT NULL,
    e164 boolean NOT NULL,
    kind text CHECK (kind IN ('MOBILE', 'LANDLINE')),
    CONSTRAINT customer_phone_pkey PRIMARY KEY (tenant_id, customer_id, position),
    CONSTRAINT customer_phone_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer ON DELETE CASCADE
);
CREATE INDEX customer_phone_number ON identity.customer_phone (tenant_id, number) WHERE e164;
SELECT identity.isolate('identity.customer_phone', 'SELECT, INSERT, DELETE');

-- Where they can be found.
CREATE TABLE identity.customer_address (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    position smallint NOT NULL,
    kind text CHECK (kind IN ('HOME', 'WORKPLACE', 'OTHER')),
    postal_code text,
    region text,
    locality text,
    street text,
    CONSTRAINT customer_address_pkey PRIMARY KEY (tenant_id, customer_id, position),
    CONSTRAINT customer_address_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer ON DELETE CASCADE
);
SELECT identity.isolate('identity.customer_address', 'SELECT, INSERT, DELETE');

-- What they do, known by kind and external reference.
CREATE TABLE identity.activity (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    version bigint NOT NULL,
    customer_id uuid NOT NULL,
    kind text NOT NULL,
    external_reference text NOT NULL,
    state text NOT NULL CHECK (state IN ('ACTIVE', 'COMPLETED', 'CANCELLED')),
    title text,
    start_time timestamptz NOT NULL,
    end_time timestamptz,
    organization_id uuid,
    CONSTRAINT activity_pkey PRIMARY KEY (tenant_id, activity_id),
    CONSTRAINT activity_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer,
    CONSTRAINT activity_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES identity.organization,
    CONSTRAINT activity_external_reference UNIQUE (tenant_id, kind, external_reference)
);
CREATE INDEX activity_of_customer ON identity.activity (tenant_id, customer_id, start_time DESC, activity_id DESC);
SELECT identity.isolate('identity.activity');
