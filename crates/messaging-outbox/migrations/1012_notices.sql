-- How staff can be reached, as identity-linking says it. The highest version wins.
CREATE TABLE {schema}.staff_contact (
    tenant_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    version bigint NOT NULL,
    email_address text NOT NULL, -- empty: nowhere
    account_id uuid, -- the staff account the member is bound on; null, or the next one empty: not on LINE
    line_user_id text NOT NULL,
    PRIMARY KEY (tenant_id, staff_id)
);
CREATE INDEX staff_contact_line ON {schema}.staff_contact (tenant_id, account_id, line_user_id) WHERE line_user_id <> '';
SELECT {schema}.isolate('{schema}.staff_contact');

-- What staff are told: one row for each matter and member. Kept 30 days.
CREATE TABLE {schema}.notice (
    tenant_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
    title text NOT NULL,
    body text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, notice_id)
);
CREATE INDEX notice_latest ON {schema}.notice (tenant_id, create_time DESC, notice_id DESC);
CREATE INDEX notice_staff ON {schema}.notice (tenant_id, staff_id, create_time DESC, notice_id DESC);
CREATE INDEX notice_create_time ON {schema}.notice USING brin (create_time);
SELECT {schema}.isolate('{schema}.notice');
SELECT {schema}.isolate_queue('{schema}.notice', 'SELECT (tenant_id, notice_id, create_time), DELETE');

-- Where each notice stands on each channel it goes by.
--
-- channel     1 LINE, 2 e-mail, 3 webhook
-- state       1 pending, 2 delivered, 3 failed, 4 expired, 5 no channel
-- reason      why it failed or expired; null: nothing to say
-- unsure      attempts of unknown outcome
-- message_id  the message that carries it, on LINE
CREATE TABLE {schema}.notice_delivery (
    tenant_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    channel smallint NOT NULL CHECK (channel BETWEEN 1 AND 3),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 5),
    reason smallint,
    attempts smallint NOT NULL DEFAULT 0,
    unsure smallint NOT NULL DEFAULT 0,
    message_id uuid,
    create_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL,
    settle_time timestamptz,
    PRIMARY KEY (tenant_id, notice_id, channel)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX notice_delivery_message ON {schema}.notice_delivery (tenant_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX notice_delivery_pending ON {schema}.notice_delivery (expire_time) WHERE state = 1;
CREATE INDEX notice_delivery_create_time ON {schema}.notice_delivery USING brin (create_time);
SELECT {schema}.isolate('{schema}.notice_delivery');
SELECT {schema}.isolate_queue('{schema}.notice_delivery',
    'SELECT (tenant_id, notice_id, channel, state, create_time, expire_time), DELETE');

-- E-mails and calls of webhooks to be made. A job is about a notice and needs no official account: that column is nil.
CREATE TABLE {schema}.notice_email_job (
    tenant_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    account_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    due timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    claim uuid, -- of whoever has it in hand
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, notice_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX notice_email_job_turn ON {schema}.notice_email_job (tenant_id, due) WHERE due < 'infinity';
SELECT {schema}.isolate('{schema}.notice_email_job');
SELECT {schema}.isolate_queue('{schema}.notice_email_job', 'SELECT, UPDATE');

CREATE TABLE {schema}.notice_webhook_job (LIKE {schema}.notice_email_job INCLUDING ALL)
    WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
SELECT {schema}.isolate('{schema}.notice_webhook_job');
SELECT {schema}.isolate_queue('{schema}.notice_webhook_job', 'SELECT, UPDATE');

-- Which kinds of notices go by which channels; a kind without a row as usual. email: 1 never, 2 where LINE does not reach, 3 always.
CREATE TABLE {schema}.notice_rule (
    tenant_id uuid NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
    line boolean NOT NULL,
    email smallint NOT NULL CHECK (email BETWEEN 1 AND 3),
    webhook boolean NOT NULL,
    PRIMARY KEY (tenant_id, kind)
);
SELECT {schema}.isolate('{schema}.notice_rule');

-- How often a tenant's rules were set: their etag.
CREATE TABLE {schema}.notice_rules_version (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id)
);
SELECT {schema}.isolate('{schema}.notice_rules_version');

-- The tenant's webhook. Its secrets are encrypted under the tenant's data key; the former one signs beside the present one until
-- its time is over. `stop_time`: when the endpoint answered that it wants no more.
CREATE TABLE {schema}.notice_webhook (
    tenant_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    url text NOT NULL,
    secret bytea NOT NULL,
    former_secret bytea,
    former_until timestamptz,
    create_time timestamptz NOT NULL DEFAULT now(),
    rotate_time timestamptz,
    stop_time timestamptz,
    PRIMARY KEY (tenant_id)
);
SELECT {schema}.isolate('{schema}.notice_webhook');
