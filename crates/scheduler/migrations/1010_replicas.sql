-- What identity-linking says of tenants and their reservations. The highest version wins. Whoever plans reminders by a tenant's zone and
-- rules shares the lock of its row, and whoever changes them has it alone.
CREATE TABLE {schema}.tenant_replica (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    time_zone text NOT NULL,
    suspended boolean NOT NULL,
    PRIMARY KEY (tenant_id)
);
SELECT {schema}.isolate('{schema}.tenant_replica');
SELECT {schema}.isolate_queue('{schema}.tenant_replica', 'SELECT (tenant_id, suspended)');

-- Activities that are reservations. `active`: neither done nor cancelled.
CREATE TABLE {schema}.reservation (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    version bigint NOT NULL,
    active boolean NOT NULL,
    start_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, activity_id)
);
CREATE INDEX reservation_ahead ON {schema}.reservation (tenant_id, start_time, activity_id) WHERE active;
SELECT {schema}.isolate('{schema}.reservation');
SELECT {schema}.isolate_queue('{schema}.reservation', 'SELECT (tenant_id, activity_id, active, start_time)');
