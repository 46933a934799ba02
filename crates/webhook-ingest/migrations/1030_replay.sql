-- Replays: events of the archive that are published once more. One row each; a replica has it in hand for one portion at a time,
-- by a lease, and whoever finds the lease over goes on at the place the row names.
--
-- phase            of a rebuild 'preparing' before it publishes, then 'checking', from the first event again, and 'finishing'; a redrive
--                  only publishes
-- received_before  what was received later is published by itself; set when publishing begins
-- stream_epoch     of the stream it publishes into: another one has lost something, and all is published again
-- place_*          the last event that is done; nil: none yet
CREATE TABLE ingest.replay (
    tenant_id uuid NOT NULL,
    replay_id uuid NOT NULL, -- UUIDv7
    mode text NOT NULL CHECK (mode IN ('redrive', 'rebuild')),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'stopping', 'stopped', 'done')),
    phase text NOT NULL CHECK (phase IN ('preparing', 'publishing', 'checking', 'finishing')),
    account_ids uuid[] NOT NULL,
    event_types text[] NOT NULL,
    start_time timestamptz,
    end_time timestamptz,
    stream_epoch bigint,
    received_before timestamptz,
    planned_count bigint NOT NULL,
    published_count bigint NOT NULL DEFAULT 0,
    skipped_count bigint NOT NULL DEFAULT 0,
    waiting_count bigint NOT NULL DEFAULT 0,
    renewed_count bigint NOT NULL DEFAULT 0,
    kept_count bigint NOT NULL DEFAULT 0,
    place_event_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    place_account_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    principal_id uuid NOT NULL,
    staff_id uuid,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    finish_time timestamptz,
    claim uuid, -- of whoever has a portion in hand
    claimed_until timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT replay_pkey PRIMARY KEY (tenant_id, replay_id),
    CONSTRAINT replay_ended CHECK ((state IN ('stopped', 'done')) = (finish_time IS NOT NULL))
);
-- A tenant has one at a time.
CREATE UNIQUE INDEX replay_open ON ingest.replay (tenant_id) WHERE finish_time IS NULL;
CREATE INDEX replay_due ON ingest.replay (claimed_until) WHERE finish_time IS NULL;
SELECT ingest.isolate('ingest.replay', 'SELECT, INSERT, UPDATE');
SELECT ingest.isolate_queue(
    'ingest.replay',
    'SELECT (tenant_id, replay_id, update_time, finish_time, claim, claimed_until), UPDATE (claim, claimed_until), DELETE'
);
