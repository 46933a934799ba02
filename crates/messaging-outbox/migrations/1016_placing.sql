-- What decides whose conversations are has changed, and those it concerns are to be looked at anew, each time by a transaction that
-- began after the change was committed. Rows are added and taken, never changed.
--
-- matter   1 `subject` is a conversation that was made, 2 a link, 3 a customer, 4 an official account
-- behind   of an account: its conversations from here on, by their `chat_key`
-- tries    how often a conversation was looked at while the customer it is linked to had not been heard of
CREATE TABLE {schema}.placing (
    tenant_id uuid NOT NULL,
    placing_id bigint GENERATED ALWAYS AS IDENTITY,
    due timestamptz NOT NULL DEFAULT now(),
    matter smallint NOT NULL CHECK (matter BETWEEN 1 AND 4),
    subject uuid NOT NULL,
    behind text NOT NULL DEFAULT '',
    tries smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, placing_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX placing_due ON {schema}.placing (tenant_id, due);
SELECT {schema}.isolate('{schema}.placing');
SELECT {schema}.isolate_queue('{schema}.placing', 'SELECT (tenant_id, placing_id, due)');
