-- Contents of media messages: what is known of each, its bytes in pieces, and the queue of those to be fetched.
CREATE TABLE {schema}.content (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    state smallint NOT NULL,
    content_type text NOT NULL DEFAULT '',
    size bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, message_id)
);
SELECT {schema}.isolate('{schema}.content');

CREATE TABLE {schema}.content_chunk (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    part int NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (tenant_id, message_id, part)
);
-- Pictures, videos and voice are compressed already.
ALTER TABLE {schema}.content_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;
SELECT {schema}.isolate('{schema}.content_chunk');

CREATE TABLE {schema}.content_job (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    account_id uuid NOT NULL,
    due timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    claim uuid, -- of whoever has it in hand
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, message_id)
);
CREATE INDEX content_job_due ON {schema}.content_job (due);
SELECT {schema}.isolate('{schema}.content_job');
SELECT {schema}.isolate_queue('{schema}.content_job', 'SELECT, UPDATE');
