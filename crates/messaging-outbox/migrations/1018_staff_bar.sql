-- The yellow bar (F-28): which rich menu LINE users bound to staff see on the staff account, as far as is known. All of it can be
-- asked of LINE or set anew: losing it costs calls and nothing else.
--
-- shown       0 not known: a call was begun whose outcome nobody wrote; 1 no menu of their own; 2 the menu `rich_menu_id`
-- check_time  from when on LINE is asked whether it did what it took; null: it did
CREATE TABLE {schema}.staff_bar (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    line_user_id text NOT NULL,
    shown smallint NOT NULL CHECK (shown BETWEEN 0 AND 2),
    rich_menu_id text,
    check_time timestamptz,
    PRIMARY KEY (tenant_id, account_id, line_user_id),
    CONSTRAINT staff_bar_menu CHECK ((shown = 2) = (rich_menu_id IS NOT NULL))
) WITH (fillfactor = 80);
SELECT {schema}.isolate('{schema}.staff_bar');

-- The two menus at LINE: their names, which say what they are made of, and their IDs. Looked for again from time to time, for LINE
-- may lose them.
CREATE TABLE {schema}.staff_bar_menus (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    plain_name text NOT NULL,
    plain_id text NOT NULL,
    unread_name text NOT NULL,
    unread_id text NOT NULL,
    look_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, account_id)
);
SELECT {schema}.isolate('{schema}.staff_bar_menus');

-- When the bars of a staff account are compared with what waits. One row for each; it stays.
--
-- marks     rises with everything that may have changed a bar; a run that ends with another number than it began with is
--           followed by the next at once
-- seen      changes of conversations and of staff by transactions before this one are taken in
-- run_time  when the last run ended
CREATE TABLE {schema}.staff_bar_job (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    due timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0, -- since the last run that succeeded
    claim uuid, -- of whoever has it in hand
    create_time timestamptz NOT NULL DEFAULT now(),
    marks bigint NOT NULL DEFAULT 0,
    seen xid8 NOT NULL DEFAULT '0',
    run_time timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, account_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX staff_bar_job_turn ON {schema}.staff_bar_job (tenant_id, due) WHERE due < 'infinity';
SELECT {schema}.isolate('{schema}.staff_bar_job');
SELECT {schema}.isolate_queue('{schema}.staff_bar_job', 'SELECT, UPDATE');
