-- LINE providers, as operators declare them (D-12).
CREATE TABLE identity.provider (
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    display_name text NOT NULL,
    line_provider_id text,
    create_time timestamptz NOT NULL,
    CONSTRAINT provider_pkey PRIMARY KEY (tenant_id, provider_id),
    CONSTRAINT provider_tenant FOREIGN KEY (tenant_id) REFERENCES identity.tenant
);
CREATE INDEX provider_by_age ON identity.provider (tenant_id, create_time, provider_id);
SELECT identity.isolate('identity.provider', 'SELECT, INSERT');

-- LINE Official Accounts with their Messaging API channels.
CREATE TABLE identity.official_account (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    version bigint NOT NULL,
    provider_id uuid NOT NULL,
    channel_id text NOT NULL,
    display_name text,
    basic_id text,
    bot_user_id text,
    state text NOT NULL CHECK (state IN ('REGISTERED', 'CONNECTED', 'PAUSED')),
    purpose text NOT NULL CHECK (purpose IN ('CUSTOMERS', 'STAFF')),
    owner_organization_id uuid,
    default_organization_id uuid,
    chat_mode text,
    chat_mode_time timestamptz, -- when LINE was first heard to say so
    create_time timestamptz NOT NULL,
    connect_time timestamptz,
    CONSTRAINT official_account_pkey PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT official_account_tenant FOREIGN KEY (tenant_id) REFERENCES identity.tenant,
    CONSTRAINT official_account_provider FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.provider,
    CONSTRAINT official_account_owner FOREIGN KEY (tenant_id, owner_organization_id) REFERENCES identity.organization,
    CONSTRAINT official_account_default FOREIGN KEY (tenant_id, default_organization_id) REFERENCES identity.organization,
    CONSTRAINT official_account_channel UNIQUE (tenant_id, channel_id),
    CONSTRAINT official_account_bot UNIQUE (tenant_id, bot_user_id)
);
CREATE UNIQUE INDEX official_account_staff ON identity.official_account (tenant_id) WHERE purpose = 'STAFF';
CREATE INDEX official_account_by_age ON identity.official_account (tenant_id, create_time, account_id);
SELECT identity.isolate('identity.official_account', 'SELECT, INSERT, UPDATE');

-- Channel secrets, encrypted under the tenant's data key. The current one has no expire_time.
CREATE TABLE identity.channel_secret (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    secret_id uuid NOT NULL,
    ciphertext bytea NOT NULL,
    create_time timestamptz NOT NULL,
    expire_time timestamptz,
    CONSTRAINT channel_secret_pkey PRIMARY KEY (tenant_id, account_id, secret_id),
    CONSTRAINT channel_secret_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account
);
CREATE UNIQUE INDEX channel_secret_current ON identity.channel_secret (tenant_id, account_id) WHERE expire_time IS NULL;
SELECT identity.isolate('identity.channel_secret');

-- What messaging gets channel access tokens with. No ciphertext: the channel secret itself.
CREATE TABLE identity.channel_credential (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('LONG_LIVED_TOKEN', 'CHANNEL_SECRET', 'ASSERTION_KEY')),
    key_id text,
    ciphertext bytea,
    CONSTRAINT channel_credential_pkey PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT channel_credential_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT channel_credential_material CHECK ((kind = 'CHANNEL_SECRET') = (ciphertext IS NULL))
);
SELECT identity.isolate('identity.channel_credential');

-- Hashes of webhook keys. The current one has no expire_time.
CREATE TABLE identity.webhook_key (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    create_time timestamptz NOT NULL,
    expire_time timestamptz,
    CONSTRAINT webhook_key_pkey PRIMARY KEY (tenant_id, account_id, hash),
    CONSTRAINT webhook_key_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account
);
CREATE UNIQUE INDEX webhook_key_current ON identity.webhook_key (tenant_id, account_id) WHERE expire_time IS NULL;
SELECT identity.isolate('identity.webhook_key');

-- When an account's next former secret or key stops being valid, so that somebody drops it.
CREATE TABLE identity.account_expiry (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    due_time timestamptz NOT NULL,
    CONSTRAINT account_expiry_pkey PRIMARY KEY (tenant_id, account_id)
);
CREATE INDEX account_expiry_due ON identity.account_expiry (due_time);
SELECT identity.isolate('identity.account_expiry');
SELECT identity.isolate_queue('identity.account_expiry', 'SELECT, UPDATE');
