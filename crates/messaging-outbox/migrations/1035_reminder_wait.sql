-- Reminders that were not sent for a reason that may pass, as that the customer is not linked: looked at again until they are too late.
-- While one waits, its row says how late it may be, when it was said, of which version of the reservation, and in which words.
ALTER TABLE {schema}.reminder
    ADD COLUMN expire_time timestamptz,
    ADD COLUMN said_time timestamptz,
    ADD COLUMN said_version bigint,
    ADD COLUMN template text;
-- Those of a customer who links.
CREATE INDEX reminder_waiting ON {schema}.reminder (tenant_id, customer_id) WHERE template IS NOT NULL;

-- Of which reservation a message reminds, asked before it leaves.
CREATE UNIQUE INDEX reminder_message ON {schema}.reminder (tenant_id, message_id);

-- The queue of those that wait. A job needs no official account: that column is nil.
CREATE TABLE {schema}.reminder_wait (
    tenant_id uuid NOT NULL,
    reminder_id uuid NOT NULL,
    account_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    due timestamptz NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    claim uuid, -- of whoever has it in hand
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, reminder_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX reminder_wait_turn ON {schema}.reminder_wait (tenant_id, due) WHERE due < 'infinity';
SELECT {schema}.isolate('{schema}.reminder_wait');
SELECT {schema}.isolate_queue('{schema}.reminder_wait', 'SELECT, UPDATE');
