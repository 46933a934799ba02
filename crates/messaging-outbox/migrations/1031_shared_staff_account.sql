-- A tenant's share in a staff account of the operator's, which is another tenant's, as identity-linking says it. The highest version
-- wins; a share in another account than before leaves the former one's row, unused.
CREATE TABLE {schema}.staff_account_share (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    version bigint NOT NULL,
    home_tenant_id uuid NOT NULL, -- whose the account is
    used boolean NOT NULL,
    monthly_push_limit int NOT NULL,
    tenant_display_name text NOT NULL,
    PRIMARY KEY (tenant_id, account_id)
);
SELECT {schema}.isolate('{schema}.staff_account_share');

-- How many notices of the tenant were given to such an account to be pushed, by month (UTC+9), whatever became of them.
CREATE TABLE {schema}.staff_account_use (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    month date NOT NULL,
    pushes int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, account_id, month)
);
SELECT {schema}.isolate('{schema}.staff_account_use');

-- For whom of a staff account's LINE users something waits, in each tenant that has a share in it: from that tenant's job to the
-- account's own, which is of another tenant.
CREATE TABLE {schema}.staff_bar_wish (
    tenant_id uuid NOT NULL, -- whose the account is
    account_id uuid NOT NULL,
    guest_tenant_id uuid NOT NULL, -- whose staff they are
    line_user_id text NOT NULL,
    waits boolean NOT NULL,
    PRIMARY KEY (tenant_id, account_id, guest_tenant_id, line_user_id)
);
SELECT {schema}.isolate('{schema}.staff_bar_wish');
