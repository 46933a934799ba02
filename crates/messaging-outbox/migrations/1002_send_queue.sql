-- The send queue: one narrow row for each message that is to leave, gone once LINE has answered for good. The primary key is
-- the order of leaving, class by class. The message's ID is its retry key, so the key is stored before any call.
--
-- state          0 waits, 1 in the hands of the lane's holder of that epoch
-- pack_id        the request it was frozen into: the ID, and so the retry key, of the request's first message
-- send_method    how that request goes; null: not frozen, no call can have been made (class 0), or a push alone (other
--                classes, and what may go by push only)
-- in_doubt       an attempt's outcome is unknown: only the same request may be repeated
-- deferred, due  put back until then; those behind it in the same conversation wait, too
-- trace          the `traceparent` of the call that queued it, packed: trace ID, parent ID, flags
CREATE TABLE {schema}.send (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    class smallint NOT NULL,
    message_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    policy smallint NOT NULL,
    state smallint NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    send_method smallint,
    silent boolean NOT NULL DEFAULT false,
    in_doubt boolean NOT NULL DEFAULT false,
    deferred boolean NOT NULL DEFAULT false,
    epoch bigint,
    due timestamptz,
    first_time timestamptz,
    pack_id uuid,
    reply_token_id uuid,
    trace bytea,
    PRIMARY KEY (tenant_id, account_id, class, message_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX send_deferred ON {schema}.send (tenant_id, account_id, conversation_id, message_id) WHERE deferred;
SELECT {schema}.isolate('{schema}.send');
SELECT {schema}.isolate_queue('{schema}.send', 'SELECT, UPDATE');

-- Who sends for an account. `holder` is null when the lane was given back; `taken_over` says that another holder's lease ran
-- out instead, so that something of it may still be on its way for the length of one call.
CREATE TABLE {schema}.lane (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    holder uuid,
    epoch bigint NOT NULL,
    lease_until timestamptz NOT NULL,
    taken_over boolean NOT NULL,
    PRIMARY KEY (tenant_id, account_id)
) WITH (fillfactor = 50);
CREATE INDEX lane_holder ON {schema}.lane (holder) WHERE holder IS NOT NULL;
SELECT {schema}.isolate('{schema}.lane', 'SELECT');
SELECT {schema}.isolate_queue('{schema}.lane', 'SELECT, INSERT, UPDATE');

-- Reply tokens, encrypted under the tenant's data key; purged when they cannot be used any more.
CREATE TABLE {schema}.reply_token (
    tenant_id uuid NOT NULL,
    reply_token_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    usable_until timestamptz NOT NULL,
    used boolean NOT NULL DEFAULT false,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (tenant_id, reply_token_id)
);
CREATE INDEX reply_token_conversation ON {schema}.reply_token (tenant_id, conversation_id, usable_until);
CREATE INDEX reply_token_usable_until ON {schema}.reply_token (usable_until);
SELECT {schema}.isolate('{schema}.reply_token');
SELECT {schema}.isolate_queue('{schema}.reply_token', 'SELECT (tenant_id, reply_token_id, usable_until), DELETE');

-- What LINE last told of an account's quota, and what we sent in that month (UTC+9).
CREATE TABLE {schema}.quota (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    month date NOT NULL,
    limited boolean NOT NULL DEFAULT false,
    monthly_limit bigint NOT NULL DEFAULT 0,
    used bigint NOT NULL DEFAULT 0,
    read_time timestamptz,
    sent_by_push bigint NOT NULL DEFAULT 0,
    sent_by_reply bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, account_id, month)
) WITH (fillfactor = 50);
SELECT {schema}.isolate('{schema}.quota');
SELECT {schema}.isolate_queue('{schema}.quota', 'SELECT (tenant_id, account_id, month, limited, monthly_limit, used)');
