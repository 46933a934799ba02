-- When each tenant's digest comes. One row a tenant, made with the tenant's replica.
--
-- times           minutes since midnight in the tenant's zone
-- quiet_weekdays  bits, Monday the lowest
-- recipients      staff IDs; none: everybody
-- last_slot       the moment of the last slot that was said or passed over; never goes back
-- next_slot       when to look again; null: never
CREATE TABLE {schema}.digest_schedule (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    times smallint[] NOT NULL,
    quiet_weekdays smallint NOT NULL,
    quiet_dates date[] NOT NULL,
    recipients uuid[] NOT NULL,
    late_seconds int NOT NULL,
    send_empty boolean NOT NULL,
    last_slot timestamptz NOT NULL,
    next_slot timestamptz,
    PRIMARY KEY (tenant_id)
);
CREATE INDEX digest_schedule_next ON {schema}.digest_schedule (next_slot, tenant_id) WHERE next_slot IS NOT NULL;
SELECT {schema}.isolate('{schema}.digest_schedule');
SELECT {schema}.isolate_queue('{schema}.digest_schedule', 'SELECT (tenant_id, next_slot)');

-- Slots that have passed, for 400 days. `unlisted_before`: how many right before it had the same fate and have no row.
CREATE TABLE {schema}.digest_slot (
    tenant_id uuid NOT NULL,
    slot_time timestamptz NOT NULL,
    local_time timestamp NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    record_time timestamptz NOT NULL,
    unlisted_before int NOT NULL,
    PRIMARY KEY (tenant_id, slot_time)
);
SELECT {schema}.isolate('{schema}.digest_slot');
