-- Events of this service, in the order they were appended. A row stays for 7 days after its first publication, so that a lost
-- stream can be filled again; it is never changed. Events of one `order_key`, a hash of the aggregate, are published one after
-- the other.
CREATE TABLE {schema}.outbox (
    tenant_id uuid NOT NULL, -- nil: an event of the platform
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    event_id uuid NOT NULL,
    order_key bigint NOT NULL,
    time timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    happened text NOT NULL,
    trace bytea, -- trace ID, parent ID and flags: 25 bytes
    payload bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
SELECT {schema}.isolate('{schema}.outbox', 'SELECT, INSERT');
SELECT {schema}.isolate_queue('{schema}.outbox', 'SELECT (tenant_id, sequence, created_at), INSERT, DELETE');

-- Which of them are to be published. Small rows, inserted with the event and deleted by the relay: the mark costs a tenth of
-- what updating the event's own row would, and rows that become visible late are found wherever their number is.
CREATE TABLE {schema}.outbox_pending (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    published_at timestamptz, -- set when it was published before, into a stream that is lost
    PRIMARY KEY (tenant_id, sequence)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
SELECT {schema}.isolate('{schema}.outbox_pending', 'INSERT');
SELECT {schema}.isolate_queue('{schema}.outbox_pending', 'SELECT, INSERT, DELETE');

-- When they were published, first and last, one row for each tenant and batch. `epoch` is the stream's at the last time; it rises
-- whenever the stream has lost something or may have.
CREATE TABLE {schema}.outbox_published (
    tenant_id uuid NOT NULL,
    batch bigint GENERATED ALWAYS AS IDENTITY,
    epoch bigint NOT NULL,
    published_at timestamptz NOT NULL,
    last_published_at timestamptz NOT NULL,
    sequences bigint[] NOT NULL,
    PRIMARY KEY (tenant_id, batch)
);
CREATE INDEX outbox_published_first ON {schema}.outbox_published (published_at);
CREATE INDEX outbox_published_last ON {schema}.outbox_published (last_published_at);
SELECT {schema}.isolate_queue('{schema}.outbox_published', 'SELECT, INSERT, DELETE');

-- What is remembered of each stream this service fills: another creation time, or a smaller last number, is another stream, and
-- another run of its server may have forgotten the end of it.
CREATE TABLE {schema}.stream_state (
    tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    stream text NOT NULL,
    created bigint NOT NULL, -- nanoseconds since 1970
    last_sequence bigint NOT NULL,
    server text NOT NULL, -- its run; empty: several servers hold the stream
    seen_at timestamptz NOT NULL DEFAULT now(), -- when that run was last seen alive, to about half a minute
    epoch bigint NOT NULL,
    refill_from timestamptz NOT NULL, -- what was published since then, in earlier epochs, is published again
    refilled_at timestamptz, -- null: not yet
    PRIMARY KEY (tenant_id, stream)
);
SELECT {schema}.isolate_queue('{schema}.stream_state', 'SELECT, INSERT, UPDATE');

-- Work that one replica at a time does, to save work; nothing goes wrong when two do.
CREATE TABLE {schema}.lease (
    tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    name text NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITH (fillfactor = 50);
SELECT {schema}.isolate_queue('{schema}.lease', 'SELECT, INSERT, UPDATE');

-- Events each consumer has taken over: handled, or kept in parked_message. Never partitioned, for that would end the
-- uniqueness; outlives outbox rows and streams. `consumer` is a hash of its name.
CREATE TABLE {schema}.inbox (
    tenant_id uuid NOT NULL,
    event_key uuid NOT NULL,
    consumer int NOT NULL,
    taken_on date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    PRIMARY KEY (tenant_id, consumer, event_key)
);
CREATE INDEX inbox_taken_on ON {schema}.inbox USING brin (taken_on) WITH (pages_per_range = 16, autosummarize = on);
SELECT {schema}.isolate('{schema}.inbox', 'SELECT, INSERT, DELETE');
SELECT {schema}.isolate_queue('{schema}.inbox', 'SELECT, INSERT, DELETE');

-- Messages that were not handled when they came: waiting for the next try, or given up (dead letters). The message itself is
-- read under its tenant only, and erased when it is settled.
CREATE TABLE {schema}.parked_message (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    consumer text NOT NULL,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL CHECK (state IN ('due', 'waiting', 'replaying', 'handled', 'dropped')),
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz, -- null: not to be tried; in the future: a try is under way, or its time has not come
    attempts int NOT NULL DEFAULT 0,
    order_key bigint NOT NULL DEFAULT 0,
    event_key uuid NOT NULL,
    event_id text NOT NULL,
    subject text NOT NULL,
    headers text,
    payload bytea,
    reason text NOT NULL DEFAULT '',
    gave_up_at timestamptz,
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, message_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX parked_message_due ON {schema}.parked_message (consumer, tenant_id, due_at, sequence) WHERE due_at IS NOT NULL;
CREATE INDEX parked_message_event ON {schema}.parked_message (tenant_id, event_key);
CREATE INDEX parked_message_given_up ON {schema}.parked_message (tenant_id, gave_up_at, message_id)
    WHERE gave_up_at IS NOT NULL;
CREATE INDEX parked_message_settled ON {schema}.parked_message (settled_at) WHERE settled_at IS NOT NULL;
SELECT {schema}.isolate('{schema}.parked_message');
SELECT {schema}.isolate_queue('{schema}.parked_message',
    'SELECT (ctid, tenant_id, message_id, consumer, sequence, state, created_at, due_at, attempts, order_key, gave_up_at,
    settled_at), INSERT, UPDATE (due_at, attempts), DELETE');

-- Which replicas of other services' data were filled from a snapshot, and when.
CREATE TABLE {schema}.replica_snapshot (
    tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    name text NOT NULL,
    completed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);
SELECT {schema}.isolate_queue('{schema}.replica_snapshot', 'SELECT, INSERT, UPDATE, DELETE');

-- Events of several tenants, each tenant's read under that tenant.
CREATE FUNCTION {schema}.outbox_read(tenants uuid[], sequences bigint[]) RETURNS SETOF {schema}.outbox
    LANGUAGE plpgsql
    AS $$
DECLARE
    owner uuid;
    wanted bigint[];
BEGIN
    FOR owner, wanted IN
        SELECT w.tenant_id, array_agg(w.sequence) FROM unnest(tenants, sequences) w (tenant_id, sequence) GROUP BY 1
    LOOP
        PERFORM pg_catalog.set_config('tsunagi.tenant', owner::text, true);
        -- One look for each: no plan that was made while the table was small can read the whole of it.
        RETURN QUERY SELECT o.* FROM unnest(wanted) w (number) CROSS JOIN LATERAL (
            SELECT * FROM {schema}.outbox WHERE tenant_id = owner AND sequence = w.number LIMIT 1) o;
    END LOOP;
    PERFORM pg_catalog.set_config('tsunagi.tenant', '', true);
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.outbox_read(uuid[], bigint[]) TO {schema};

-- Takes published events off the queue, one after the other, each found by its key: a join would go by an estimate, and a queue
-- that was empty when it was looked at and is long a moment later would be read whole for every row.
CREATE FUNCTION {schema}.outbox_take_off(tenants uuid[], sequences bigint[])
RETURNS TABLE (tenant uuid, number bigint, published timestamptz) LANGUAGE plpgsql ROWS 100 AS $$
BEGIN
    FOR i IN 1 .. cardinality(sequences) LOOP
        RETURN QUERY DELETE FROM {schema}.outbox_pending WHERE tenant_id = tenants[i] AND sequence = sequences[i]
            RETURNING tenant_id, sequence, coalesce(published_at, now());
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.outbox_take_off(uuid[], bigint[]) TO {schema}_worker;
