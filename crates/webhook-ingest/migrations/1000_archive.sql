-- The accounts whose webhooks are taken, replicated from identity-linking. `material` is an AccountReplica reduced to what
-- receiving needs: the bot, hashes of webhook keys, secrets sealed to this service; nothing in clear. `changed` is the
-- writing transaction: a reader that asks for everything not finished before its last snapshot misses no row.
CREATE TABLE ingest.account_replica (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    version bigint NOT NULL,
    material bytea NOT NULL,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, account_id)
);
CREATE INDEX account_replica_changed ON ingest.account_replica (changed);
SELECT ingest.isolate('ingest.account_replica', 'SELECT, INSERT, UPDATE');
SELECT ingest.isolate_queue('ingest.account_replica', 'SELECT');

-- Every event ever taken in the window: what makes a repetition one. `event_id` is LINE's ULID as a UUID; partitions follow
-- the time inside it, so that one ID always meets the same partition and uniqueness is exact.
CREATE TABLE ingest.seen_event (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    event_id uuid NOT NULL,
    body_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    place smallint NOT NULL, -- in the body, from 0
    event_type text NOT NULL,
    PRIMARY KEY (tenant_id, account_id, event_id)
) PARTITION BY RANGE (event_id);
SELECT ingest.isolate('ingest.seen_event', 'SELECT');
SELECT ingest.isolate_queue('ingest.seen_event', 'SELECT, INSERT');

-- The signed bodies, to the byte as LINE sent them. `body_id` is a UUIDv7 of the moment they were verified at; partitions
-- follow it. The worker puts bodies in and cannot read them.
CREATE TABLE ingest.body (
    tenant_id uuid NOT NULL,
    body_id uuid NOT NULL,
    account_id uuid NOT NULL,
    verified_at timestamptz NOT NULL,
    redacted_at timestamptz, -- when something was cut out of it: the signature no longer fits
    trace text, -- the traceparent of the request it came with
    payload bytea NOT NULL,
    PRIMARY KEY (tenant_id, body_id)
) PARTITION BY RANGE (body_id);
SELECT ingest.isolate('ingest.body', 'SELECT');
SELECT ingest.isolate_queue('ingest.body', 'INSERT');

-- Signed bodies that are quarantined, for a person to look at.
CREATE TABLE ingest.quarantined_body (
    tenant_id uuid NOT NULL,
    body_id uuid NOT NULL,
    account_id uuid NOT NULL,
    verified_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason IN ('wrong_destination', 'unreadable', 'outside_window')),
    payload bytea NOT NULL,
    PRIMARY KEY (tenant_id, body_id)
) PARTITION BY RANGE (body_id);
SELECT ingest.isolate('ingest.quarantined_body', 'SELECT');
SELECT ingest.isolate_queue('ingest.quarantined_body', 'INSERT');

-- Bodies whose events are committed and perhaps not published: one row per tenant and batch, gone once published. The
-- replica that stored it publishes at once; from `due_at` on, by the database's clock, any replica may.
CREATE TABLE ingest.publication (
    tenant_id uuid NOT NULL,
    batch_id uuid NOT NULL, -- UUIDv7: sorts by time, roughly
    due_at timestamptz NOT NULL,
    body_ids uuid[] NOT NULL,
    PRIMARY KEY (tenant_id, batch_id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
SELECT ingest.isolate('ingest.publication', 'SELECT, INSERT, UPDATE');
SELECT ingest.isolate_queue('ingest.publication', 'SELECT, INSERT, UPDATE, DELETE');

-- What was published late, for as long as a NATS server that dies may forget it: its bodies are older than what is published
-- again then. Apart from the others, for whoever looks for those would step over thousands of these.
CREATE TABLE ingest.late_publication (
    tenant_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    body_ids uuid[] NOT NULL,
    PRIMARY KEY (tenant_id, batch_id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX late_publication_published ON ingest.late_publication (published_at);
SELECT ingest.isolate('ingest.late_publication', 'SELECT');
SELECT ingest.isolate_queue('ingest.late_publication', 'SELECT, INSERT, UPDATE, DELETE');

-- One row, rewritten while Postgres was slow or away, to learn how long a commit takes now.
CREATE TABLE ingest.heartbeat (
    tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- the platform
    beat_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
) WITH (fillfactor = 10);
SELECT ingest.isolate_queue('ingest.heartbeat', 'SELECT, INSERT, UPDATE');

-- Times the stream of webhooks had lost something, and whether the archive was put back into the table above.
CREATE TABLE ingest.refill (
    tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- the platform
    epoch bigint NOT NULL,
    holder uuid NOT NULL,
    claimed_until timestamptz NOT NULL,
    complete boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, epoch)
);
SELECT ingest.isolate_queue('ingest.refill', 'SELECT, INSERT, UPDATE');

-- What an operator should know, counted.
CREATE TABLE ingest.finding (
    tenant_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    account_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('signature_missing', 'signature_wrong', 'wrong_destination', 'unreadable_body',
        'body_too_large', 'outside_window')),
    count bigint NOT NULL CHECK (count > 0),
    last_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hour, account_id, kind)
);
CREATE INDEX finding_hour ON ingest.finding (hour);
SELECT ingest.isolate('ingest.finding', 'SELECT');
SELECT ingest.isolate_queue('ingest.finding', 'SELECT, INSERT, UPDATE, DELETE');
