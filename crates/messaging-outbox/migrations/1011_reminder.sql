-- Reservations, as identity-linking says them. The highest version wins. `state` is its name there.
CREATE TABLE {schema}.activity_replica (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    version bigint NOT NULL,
    customer_id uuid NOT NULL,
    state text NOT NULL,
    start_time timestamptz,
    PRIMARY KEY (tenant_id, activity_id)
);
SELECT {schema}.isolate('{schema}.activity_replica');

-- What became of reminders: one row for each reservation, rule and time it was to begin at, whatever is said how often.
--
-- reason      why nobody was reminded; null: somebody was, by `message_id`
CREATE TABLE {schema}.reminder (
    tenant_id uuid NOT NULL,
    reminder_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    start_time timestamptz NOT NULL,
    due_time timestamptz NOT NULL,
    reminder_time timestamptz NOT NULL,
    customer_id uuid,
    message_id uuid,
    reason smallint,
    PRIMARY KEY (tenant_id, reminder_id),
    CONSTRAINT reminder_once UNIQUE (tenant_id, activity_id, rule_id, start_time),
    CONSTRAINT reminder_fate CHECK ((message_id IS NULL) <> (reason IS NULL))
);
CREATE INDEX reminder_not_sent ON {schema}.reminder (tenant_id, reminder_id) WHERE reason IS NOT NULL;
CREATE INDEX reminder_time ON {schema}.reminder USING brin (reminder_time);
SELECT {schema}.isolate('{schema}.reminder');
SELECT {schema}.isolate_queue('{schema}.reminder', 'SELECT (tenant_id, reminder_id, reminder_time, start_time), DELETE');
