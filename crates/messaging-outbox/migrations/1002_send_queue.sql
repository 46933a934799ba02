-- The send queue: one narrow row for each message that is to leave, gone once LINE has answered for good. The primary key is
-- the order of leaving, class by class. The message's ID is its retry key, so the key is stored before any call.
--
-- state          0 waits, 1 in the hands of the lane's holder of that epoch
-- pack_id        the request it was frozen into: the ID, and so the retry key, of the request's first message
-- send_method    how that request goes; null: not frozen, no call can have been made (class 0), or a push alone (other
--                classes, and what may go by push only)
-- in_doubt       an attempt's outcome is unknown: only the same request may be repeated
-- deferred, due  put back until then; those behind it in the same conversation wait, too
-- expire_time    after this it is given up, unless LINE may have it already; null: it may always leave
-- since          when it came here, where its ID is older: it waited for its time before (F-31)
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
    expire_time timestamptz,
    since timestamptz,
    pack_id uuid,
    reply_token_id uuid,
    trace bytea,
    PRIMARY KEY (tenant_id, account_id, class, message_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX send_deferred ON {schema}.send (tenant_id, account_id, conversation_id, message_id) WHERE deferred;
SELECT {schema}.isolate('{schema}.send');
SELECT {schema}.isolate_queue('{schema}.send', 'SELECT, UPDATE');

-- What happens to many rows of the queue at once happens here to one after the other, each found by its key. A join would do it
-- by a plan, and the plan by an estimate: a queue that was empty when it was looked at and has a million rows a moment later is
-- read whole for every row.

-- Into the hands of the lane's holder of that epoch. What another holder left in hand is in doubt when it was frozen, or when it
-- goes as a push alone (`alone`: that policy).
CREATE FUNCTION {schema}.send_take(
    owner uuid, account uuid, of_class smallint, message uuid, holder_epoch bigint, alone smallint
) RETURNS SETOF {schema}.send LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
    RETURN QUERY UPDATE {schema}.send s
        SET state = 1, epoch = holder_epoch, attempts = least(s.attempts + 1, 30000), deferred = false,
            first_time = coalesce(s.first_time, now()),
            in_doubt = s.in_doubt OR (s.state = 1 AND (s.send_method IS NOT NULL OR s.class > 0 OR s.policy = alone))
        WHERE s.tenant_id = owner AND s.account_id = account AND s.class = of_class AND s.message_id = message
        RETURNING s.*;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.send_take(uuid, uuid, smallint, uuid, bigint, smallint) TO {schema}_worker;

-- Freezes rows in hand into their requests; tells how many still were in the hands of that epoch's holder.
CREATE FUNCTION {schema}.send_freeze(
    owner uuid, accounts uuid[], classes smallint[], messages uuid[], epochs bigint[], methods smallint[], packs uuid[],
    tokens uuid[]
) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    frozen int := 0;
BEGIN
    FOR i IN 1 .. cardinality(messages) LOOP
        UPDATE {schema}.send SET send_method = methods[i], pack_id = packs[i], reply_token_id = tokens[i]
        WHERE tenant_id = owner AND account_id = accounts[i] AND class = classes[i] AND message_id = messages[i]
            AND epoch = epochs[i] AND state = 1;
        IF FOUND THEN
            frozen := frozen + 1;
        END IF;
    END LOOP;
    RETURN frozen;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.send_freeze(
    uuid, uuid[], smallint[], uuid[], bigint[], smallint[], uuid[], uuid[]) TO {schema};

-- Takes rows out; tells which were there.
CREATE FUNCTION {schema}.send_remove(owner uuid, accounts uuid[], classes smallint[], messages uuid[])
RETURNS SETOF uuid LANGUAGE plpgsql ROWS 100 AS $$
BEGIN
    FOR i IN 1 .. cardinality(messages) LOOP
        DELETE FROM {schema}.send
        WHERE tenant_id = owner AND account_id = accounts[i] AND class = classes[i] AND message_id = messages[i];
        IF FOUND THEN
            RETURN NEXT messages[i];
        END IF;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION {schema}.send_remove(uuid, uuid[], smallint[], uuid[]) TO {schema};

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
