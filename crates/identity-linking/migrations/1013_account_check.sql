-- When LINE is next asked how a connected account stands: claimed tenant by tenant, each tenant's by their due times.
CREATE TABLE identity.account_check (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    due_time timestamptz NOT NULL,
    tries int NOT NULL,
    claim uuid, -- of whoever has it in hand; null once it is put in again
    create_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_check_pkey PRIMARY KEY (tenant_id, account_id)
);
CREATE INDEX account_check_turn ON identity.account_check (tenant_id, due_time) WHERE due_time < 'infinity';
SELECT identity.isolate('identity.account_check');
SELECT identity.isolate_queue('identity.account_check', 'SELECT, UPDATE');
