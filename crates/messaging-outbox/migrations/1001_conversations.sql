-- One row for each official account and LINE user, group or room. `chat_key` is LINE's ID of the other side. Kind 4 is a staff member
-- on the staff account: it carries notices and is shown nowhere.
--
-- organization_id  the organization responsible, nil where there is none, and `linked`, whether the LINE user is linked to a
--                  customer: as links, customers and accounts say, kept for the indexes (`placing`). Who sees a conversation is
--                  decided by what they say when it is read.
-- put_off_time     since when it is put off: it waits until somebody answers or clears it, read or not
CREATE TABLE {schema}.conversation (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 4),
    chat_key text NOT NULL,
    standby boolean NOT NULL DEFAULT false,
    standby_time timestamptz NOT NULL DEFAULT '-infinity',
    unread_count int NOT NULL DEFAULT 0 CHECK (unread_count >= 0),
    last_message_id uuid,
    last_message_time timestamptz,
    activity_time timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    organization_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    linked boolean NOT NULL DEFAULT false,
    put_off_time timestamptz,
    PRIMARY KEY (tenant_id, conversation_id),
    CONSTRAINT conversation_chat UNIQUE (tenant_id, account_id, chat_key)
) WITH (fillfactor = 80);
CREATE INDEX conversation_latest ON {schema}.conversation (tenant_id, activity_time DESC, conversation_id DESC)
    WHERE kind <> 4;
CREATE INDEX conversation_organization
    ON {schema}.conversation (tenant_id, organization_id, activity_time DESC, conversation_id DESC) WHERE kind <> 4;
-- What waits for somebody.
CREATE INDEX conversation_waiting
    ON {schema}.conversation (tenant_id, organization_id, activity_time DESC, conversation_id DESC)
    WHERE kind <> 4 AND (unread_count > 0 OR put_off_time IS NOT NULL);
CREATE INDEX conversation_put_off
    ON {schema}.conversation (tenant_id, organization_id, activity_time DESC, conversation_id DESC)
    WHERE kind <> 4 AND put_off_time IS NOT NULL;
SELECT {schema}.isolate('{schema}.conversation');

-- One row for each message object, both ways. `object` is LINE's own message object, as it came or as it goes; it is null
-- once the message is unsent or erased, and never in any other table. An inbound ID follows from the account and LINE's
-- message ID, an outbound one is made anew and carries its time. An inquiry is an inbound message without LINE's ID: its ID follows
-- from the inquiry's, and its object is {"type":"inquiry","name","text","state","version"}. `json`, not `jsonb`: a user may write U+0000.
CREATE TABLE {schema}.message (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    message_time timestamptz NOT NULL,
    direction smallint NOT NULL CHECK (direction IN (1, 2)),
    state smallint NOT NULL,
    class smallint NOT NULL DEFAULT 0,
    unread boolean NOT NULL DEFAULT false,
    original_seen boolean NOT NULL DEFAULT true,
    send_method smallint,
    edit_time timestamptz,
    unsend_time timestamptz,
    accept_time timestamptz,
    staff_id uuid,
    principal_id uuid,
    quoted_message_id uuid,
    line_message_id text,
    line_request_id text,
    edit_event text,
    quote_token text,
    staff_display_name text,
    settle_note text,
    object json,
    -- Outbound messages somebody must look at: refused, uncertain, waiting for quota. A column of its own, so that the usual
    -- changes of state touch no index.
    attention smallint GENERATED ALWAYS AS (CASE WHEN direction = 2 AND state IN (6, 7, 9) THEN state END) STORED,
    PRIMARY KEY (tenant_id, message_id),
    -- Staff's words about a message: whoever erases what it says erases them, too.
    CONSTRAINT message_settle_note CHECK (settle_note IS NULL OR object IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX message_conversation ON {schema}.message (tenant_id, conversation_id, message_time, message_id);
CREATE INDEX message_unread ON {schema}.message (tenant_id, conversation_id, message_time) WHERE unread;
CREATE INDEX message_attention ON {schema}.message (tenant_id, attention, message_id) WHERE attention IS NOT NULL;
SELECT {schema}.isolate('{schema}.message');

-- Messages known to be taken back, so that a late copy cannot bring content back.
CREATE TABLE {schema}.tombstone (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    unsend_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
);
SELECT {schema}.isolate('{schema}.tombstone');

-- Why an outbound message did not go, in LINE's words.
CREATE TABLE {schema}.send_failure (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    kind smallint NOT NULL,
    line_message text NOT NULL,
    line_details text[] NOT NULL,
    line_request_id text NOT NULL,
    http_status int NOT NULL,
    attempts int NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
);
SELECT {schema}.isolate('{schema}.send_failure');

-- Every change a watcher hears of. `changed` is the writing transaction: a reader that asks for everything not finished
-- before its last snapshot misses no row, in whatever order transactions commit. Kept for a day.
CREATE TABLE {schema}.conversation_change (
    tenant_id uuid NOT NULL,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    conversation_id uuid NOT NULL,
    message_id uuid,
    change_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, changed, change_id)
);
CREATE INDEX conversation_change_time ON {schema}.conversation_change USING brin (change_time);
SELECT {schema}.isolate('{schema}.conversation_change');
SELECT {schema}.isolate_queue('{schema}.conversation_change', 'SELECT (tenant_id, changed, change_id, change_time), DELETE');
