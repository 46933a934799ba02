-- A staff account of the operator's, which serves the staff of several tenants.
ALTER TABLE identity.official_account DROP CONSTRAINT official_account_purpose_check;
ALTER TABLE identity.official_account ADD CONSTRAINT official_account_purpose
    CHECK (purpose IN ('CUSTOMERS', 'STAFF', 'SHARED_STAFF'));

-- A tenant's share in such an account, which is another tenant's. One row a tenant; it stays.
CREATE TABLE identity.staff_account_share (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    home_tenant_id uuid NOT NULL, -- whose the account is
    account_id uuid NOT NULL,
    code text NOT NULL, -- of the tenant on the account: stands before the codes of its invitations
    monthly_push_limit int NOT NULL CHECK (monthly_push_limit BETWEEN 1 AND 1000000),
    state text NOT NULL CHECK (state IN ('OFFERED', 'USED', 'ENDED')),
    CONSTRAINT staff_account_share_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT staff_account_share_tenant FOREIGN KEY (tenant_id) REFERENCES identity.tenant
);
SELECT identity.isolate('identity.staff_account_share', 'SELECT, INSERT, UPDATE');

-- The same from the account's side, by its own tenant: which tenant a code names. What the share says holds; this only leads to it. A
-- code is never given to another tenant.
CREATE TABLE identity.staff_account_guest (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    guest_tenant_id uuid NOT NULL,
    code text NOT NULL,
    CONSTRAINT staff_account_guest_pkey PRIMARY KEY (tenant_id, account_id, guest_tenant_id),
    CONSTRAINT staff_account_guest_code UNIQUE (tenant_id, account_id, code),
    CONSTRAINT staff_account_guest_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account
);
SELECT identity.isolate('identity.staff_account_guest', 'SELECT, INSERT');

-- In which tenants a LINE user of such an account was bound. Whether he still is the tenant's staff_contact says; this only tells where
-- to look when he blocks the account or comes back.
CREATE TABLE identity.staff_guest_binding (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    line_user_id text NOT NULL,
    guest_tenant_id uuid NOT NULL,
    CONSTRAINT staff_guest_binding_pkey PRIMARY KEY (tenant_id, account_id, line_user_id, guest_tenant_id),
    CONSTRAINT staff_guest_binding_line_user FOREIGN KEY (tenant_id, account_id, line_user_id)
        REFERENCES identity.staff_line_user
);
SELECT identity.isolate('identity.staff_guest_binding', 'SELECT, INSERT');

-- Whoever is bound on an account of another tenant has no row of staff_line_user in this one.
ALTER TABLE identity.staff_contact DROP CONSTRAINT staff_contact_line;

-- The code that was typed there may be of an invitation of another tenant.
ALTER TABLE identity.staff_bind_attempt
    ADD COLUMN guest_tenant_id uuid,
    ADD COLUMN guest_invitation_id uuid,
    DROP CONSTRAINT staff_bind_attempt_waits,
    ADD CONSTRAINT staff_bind_attempt_guest CHECK ((guest_tenant_id IS NULL) = (guest_invitation_id IS NULL)),
    ADD CONSTRAINT staff_bind_attempt_waits
        CHECK ((coalesce(staff_invitation_id, guest_invitation_id) IS NULL) = (nonce_hash IS NULL)
            AND (staff_invitation_id IS NULL OR guest_invitation_id IS NULL));
