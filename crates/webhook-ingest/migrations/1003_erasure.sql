-- What is erased from the archive: a message its sender took back, entered with the unsend event in one transaction, or a LINE user.
-- Rows are IDs, times and counts; whom a person is, is encrypted, and forgotten when the erasure is complete.
CREATE TABLE ingest.erasure (
    tenant_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    account_id uuid NOT NULL, -- nil: every account of the tenant
    unsend_event_id uuid, -- null: of a LINE user
    message_id text,
    line_user bytea,
    create_time timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(), -- infinity: complete
    attempts smallint NOT NULL DEFAULT 0, -- since the last look that found no trouble; 0: in nobody's hand
    claim uuid,
    looks smallint NOT NULL DEFAULT 0, -- that found no trouble
    looked_at timestamptz,
    near_at timestamptz NOT NULL DEFAULT now(), -- from then on it may be looked for together with another of its account
    -- Of a LINE user, what the look under way goes through, and the last of it that is done: bodies, shared ones,
    -- quarantined ones, event IDs.
    part smallint NOT NULL DEFAULT 0 CHECK (part BETWEEN 0 AND 3),
    place_account uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    place_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    erased bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, erasure_id),
    CHECK ((message_id IS NULL) = (unsend_event_id IS NULL))
);
CREATE INDEX erasure_turn ON ingest.erasure (tenant_id, due_at) WHERE due_at < 'infinity';
CREATE INDEX erasure_message ON ingest.erasure (tenant_id, account_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX erasure_line_user ON ingest.erasure (tenant_id) WHERE line_user IS NOT NULL;
SELECT ingest.isolate('ingest.erasure', 'SELECT, INSERT, UPDATE');
SELECT ingest.isolate_queue('ingest.erasure', 'SELECT (ctid, tenant_id, erasure_id, account_id, create_time, due_at, attempts, claim),
    INSERT (tenant_id, erasure_id, account_id, unsend_event_id, message_id), UPDATE (due_at, attempts, claim), DELETE');

-- Cutting an event out of a body changes its bytes; whom an event was of is forgotten with it.
GRANT UPDATE (payload, redacted_at) ON ingest.body TO ingest;
ALTER TABLE ingest.quarantined_body ADD COLUMN redacted_at timestamptz;
GRANT UPDATE (payload, redacted_at) ON ingest.quarantined_body TO ingest;
GRANT UPDATE (line_user, message_id) ON ingest.seen_event TO ingest;

-- Bodies that hold an event which `seen_event` finds in another body, or not at all: a repetition beside a new event, what was left
-- in quarantine. Whoever erases looks through these beside those that `seen_event` names. There are few.
ALTER TABLE ingest.body ADD COLUMN shared boolean NOT NULL DEFAULT false;
CREATE INDEX body_shared ON ingest.body (tenant_id, account_id, body_id) WHERE shared;
GRANT UPDATE (shared) ON ingest.body TO ingest;
