-- Messages that wait for their time (F-31), one row each while they do. What they say is in `message` alone; with the row goes the
-- last version of the schedule, so that whatever is said of it later finds nothing.
CREATE TABLE {schema}.scheduled_send (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    generation bigint NOT NULL,
    send_time timestamptz NOT NULL,
    late_seconds int NOT NULL CHECK (late_seconds > 0),
    policy smallint NOT NULL,
    silent boolean NOT NULL,
    trace bytea, -- as in `send`
    PRIMARY KEY (tenant_id, message_id)
);
CREATE INDEX scheduled_send_next ON {schema}.scheduled_send (tenant_id, send_time, message_id);
CREATE INDEX scheduled_send_time ON {schema}.scheduled_send (send_time);
SELECT {schema}.isolate('{schema}.scheduled_send');
SELECT {schema}.isolate_queue('{schema}.scheduled_send', 'SELECT (tenant_id, message_id, send_time)');
