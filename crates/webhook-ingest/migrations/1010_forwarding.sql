-- Where the webhooks of an account are forwarded to, and how each target does. The worker sees everything but what was typed in. The
-- URL may hold a secret, so it lies encrypted under the tenant's data key, for this target alone. `changed` is the writing transaction, as in `account_replica`.
CREATE TABLE ingest.forwarding_target (
    tenant_id uuid NOT NULL,
    target_id uuid NOT NULL,
    account_id uuid NOT NULL,
    url bytea NOT NULL CHECK (octet_length(url) <= 8192), -- encrypted
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 100),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    pause_reason smallint CHECK (pause_reason BETWEEN 1 AND 3), -- null: not paused
    paused_at timestamptz,
    failures integer NOT NULL DEFAULT 0, -- since it last took a body
    strikes integer NOT NULL DEFAULT 0, -- those of them that speak against the target
    failing_since timestamptz,
    next_try_at timestamptz, -- nothing is tried before
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_failure smallint CHECK (last_failure BETWEEN 1 AND 6),
    delivered bigint NOT NULL DEFAULT 0,
    erased bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CHECK ((pause_reason IS NULL) = (paused_at IS NULL)),
    PRIMARY KEY (tenant_id, target_id)
) WITH (fillfactor = 50);
CREATE INDEX forwarding_target_account ON ingest.forwarding_target (tenant_id, account_id);
CREATE INDEX forwarding_target_changed ON ingest.forwarding_target (changed);
CREATE INDEX forwarding_target_ill ON ingest.forwarding_target (tenant_id) WHERE failures > 0 OR pause_reason > 1;
SELECT ingest.isolate('ingest.forwarding_target');
SELECT ingest.isolate_queue('ingest.forwarding_target', 'SELECT (tenant_id, target_id, account_id, pause_reason, failures, strikes,
    failing_since, next_try_at, last_success_at, paused_at, updated_at, delivered, erased, expired, refused, version, changed),
    UPDATE (pause_reason, paused_at, failures, strikes, failing_since, next_try_at, last_success_at, last_failure_at, last_failure,
    delivered, erased, expired, refused, version, updated_at)');

-- What waits for a target: a row for each sender of a body, in the lane of that sender. The row of the lead, one of the senders, says
-- how the body stands; the others say where to look. Senders are digests. Rows are gone once the body has arrived or is given up;
-- those of a target that is gone are swept.
CREATE TABLE ingest.forwarding (
    tenant_id uuid NOT NULL,
    target_id uuid NOT NULL,
    sender uuid NOT NULL,
    body_id uuid NOT NULL, -- the order of a lane
    lead uuid NOT NULL,
    senders uuid[], -- all of them, in the lead's row alone
    signature bytea NOT NULL CHECK (octet_length(signature) = 32), -- as the body came with
    size integer NOT NULL CHECK (size >= 0), -- bytes of the body
    due_at timestamptz NOT NULL DEFAULT now(), -- of one on its way, when its claim runs out
    claim uuid,
    calls smallint NOT NULL DEFAULT 0,
    first_call_at timestamptz,
    PRIMARY KEY (tenant_id, target_id, sender, body_id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX forwarding_age ON ingest.forwarding (tenant_id, target_id, body_id) WHERE sender = lead;
CREATE INDEX forwarding_called ON ingest.forwarding (tenant_id, target_id) WHERE calls > 0;
CREATE INDEX forwarding_claimed ON ingest.forwarding (tenant_id, target_id) WHERE claim IS NOT NULL;
SELECT ingest.isolate('ingest.forwarding', 'SELECT, INSERT, UPDATE');
SELECT ingest.isolate_queue('ingest.forwarding', 'SELECT, INSERT, UPDATE, DELETE');
