-- Slots of a tenant's digest that came, and the queue of those whose staff are still being told: `due` is 'infinity' once all are.
-- A row is made once for each slot and stays, so that a slot that is said again is known.
--
-- local_time     the wall clock in the tenant's zone then, as it was said
-- recipient_ids  the staff who get it; empty: everybody who is active
-- behind         staff up to this one have theirs
CREATE TABLE {schema}.digest_slot (
    tenant_id uuid NOT NULL,
    digest_slot_id uuid NOT NULL,
    slot_time timestamptz NOT NULL,
    local_time text NOT NULL,
    recipient_ids uuid[] NOT NULL,
    send_empty boolean NOT NULL,
    expire_time timestamptz NOT NULL,
    behind uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    account_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- a job's, and of no meaning here
    due timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    claim uuid, -- of whoever has it in hand
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, digest_slot_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX digest_slot_turn ON {schema}.digest_slot (tenant_id, due) WHERE due < 'infinity';
CREATE INDEX digest_slot_time ON {schema}.digest_slot (slot_time);
SELECT {schema}.isolate('{schema}.digest_slot');
SELECT {schema}.isolate_queue('{schema}.digest_slot', 'SELECT, UPDATE, DELETE');

-- What each staff member was told at a slot: one row for both, made together with the notice that tells it. The counts are those of
-- one moment. `title` and `body` are empty where nothing was sent, and hold no personal data.
CREATE TABLE {schema}.digest (
    tenant_id uuid NOT NULL,
    slot_time timestamptz NOT NULL,
    staff_id uuid NOT NULL,
    outcome smallint NOT NULL,
    conversations bigint NOT NULL,
    messages bigint NOT NULL,
    unlinked bigint NOT NULL,
    put_off bigint NOT NULL,
    oldest_time timestamptz,
    title text NOT NULL,
    body text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, slot_time, staff_id)
);
CREATE INDEX digest_staff ON {schema}.digest (tenant_id, staff_id, slot_time);
CREATE INDEX digest_time ON {schema}.digest (slot_time);
SELECT {schema}.isolate('{schema}.digest');
SELECT {schema}.isolate_queue('{schema}.digest', 'SELECT (tenant_id, slot_time, staff_id), DELETE');
