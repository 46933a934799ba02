-- Rules by which customers are reminded of their reservations: so many seconds before one begins, or so many days before at a time of
-- day. The template is the shop's own text and says nothing of a person; whoever fires timers over all tenants puts it into the event.
CREATE TABLE {schema}.reminder_rule (
    tenant_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    version bigint NOT NULL,
    template text NOT NULL,
    before_seconds int,
    days_before smallint,
    at_minute smallint,
    active boolean NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rule_id),
    CHECK (num_nonnulls(before_seconds, days_before) = 1 AND (days_before IS NULL) = (at_minute IS NULL))
);
SELECT {schema}.isolate('{schema}.reminder_rule');
SELECT {schema}.isolate_queue('{schema}.reminder_rule', 'SELECT (tenant_id, rule_id, template, active)');

-- Tenants whose reservations are to be planned anew, by rules or a zone that changed. One row a tenant, deleted when all are planned;
-- a change meanwhile begins it again. `after_start` and `after_activity`: the last reservation that is planned; `due`: when it is gone on
-- with.
CREATE TABLE {schema}.replanning (
    tenant_id uuid NOT NULL,
    after_start timestamptz NOT NULL,
    after_activity uuid NOT NULL,
    due timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id)
);
CREATE INDEX replanning_due ON {schema}.replanning (due, tenant_id);
SELECT {schema}.isolate('{schema}.replanning');
SELECT {schema}.isolate_queue('{schema}.replanning', 'SELECT');
