-- Names of group chats, as LINE last told them, and the queue of those to be asked for. LINE tells no change of a name.
CREATE TABLE {schema}.group_name (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    display_name text NOT NULL,
    read_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, conversation_id)
);
SELECT {schema}.isolate('{schema}.group_name');

CREATE TABLE {schema}.group_name_job (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    due timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    claim uuid, -- of whoever has it in hand
    PRIMARY KEY (tenant_id, conversation_id)
);
CREATE INDEX group_name_job_due ON {schema}.group_name_job (due);
SELECT {schema}.isolate('{schema}.group_name_job');
SELECT {schema}.isolate_queue('{schema}.group_name_job', 'SELECT, UPDATE');
