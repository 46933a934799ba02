-- What a tenant lets happen by itself when LINE users come. No row: the defaults.
CREATE TABLE identity.link_policy (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    on_no_match text NOT NULL CHECK (on_no_match IN ('CREATE', 'HOLD')),
    on_first_message text NOT NULL CHECK (on_first_message IN ('REGISTER', 'ASK_TO_LINK', 'IGNORE')),
    least_chat text NOT NULL CHECK (least_chat IN ('NAME', 'NAME_AND_MOBILE', 'PROVEN')),
    least_reminder text NOT NULL CHECK (least_reminder IN ('NAME', 'NAME_AND_MOBILE', 'PROVEN')),
    least_personal text NOT NULL CHECK (least_personal IN ('NAME', 'NAME_AND_MOBILE', 'PROVEN')),
    CONSTRAINT link_policy_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT link_policy_tenant FOREIGN KEY (tenant_id) REFERENCES identity.tenant
);
SELECT identity.isolate('identity.link_policy', 'SELECT, INSERT, UPDATE');

-- Who is linked to whom, and was. At most one active link for a customer and a provider, and for a LINE user.
CREATE TABLE identity.link (
    tenant_id uuid NOT NULL,
    link_id uuid NOT NULL,
    version bigint NOT NULL,
    customer_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    assurance text NOT NULL CHECK (assurance IN ('NAME', 'NAME_AND_MOBILE', 'PROVEN')),
    origin text NOT NULL CHECK (origin IN ('MATCH', 'CREATED', 'STAFF', 'TAKEOVER', 'MERGE')),
    link_attempt_id uuid,
    wish_time timestamptz NOT NULL, -- when the LINE user wished it, by LINE's clock
    create_time timestamptz NOT NULL,
    end_time timestamptz,
    end_cause text CHECK (end_cause IN ('LINE_USER', 'STAFF', 'TAKEOVER', 'MERGE')),
    note text,
    CONSTRAINT link_pkey PRIMARY KEY (tenant_id, link_id),
    CONSTRAINT link_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer,
    CONSTRAINT link_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user,
    CONSTRAINT link_provider FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.provider,
    CONSTRAINT link_end CHECK ((end_time IS NULL) = (end_cause IS NULL))
);
CREATE UNIQUE INDEX link_active_customer ON identity.link (tenant_id, customer_id, provider_id) WHERE end_time IS NULL;
CREATE UNIQUE INDEX link_active_friend ON identity.link (tenant_id, friend_id) WHERE end_time IS NULL;
CREATE INDEX link_of_customer ON identity.link (tenant_id, customer_id, create_time DESC, link_id DESC);
CREATE INDEX link_of_friend ON identity.link (tenant_id, friend_id, create_time DESC, link_id DESC);
SELECT identity.isolate('identity.link', 'SELECT, INSERT, UPDATE');

-- Hashes of form tokens: what stands in the address of a form page, and what was submitted with it. Dropped a week after their
-- end.
CREATE TABLE identity.form_token (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    account_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    method text NOT NULL,
    expire_time timestamptz NOT NULL,
    use_time timestamptz,
    link_attempt_id uuid,
    dialogs integer NOT NULL DEFAULT 0,
    refusals integer NOT NULL DEFAULT 0, -- attempts that are kept, though it was good for nothing any more
    CONSTRAINT form_token_pkey PRIMARY KEY (tenant_id, hash),
    CONSTRAINT form_token_use CHECK ((use_time IS NULL) = (link_attempt_id IS NULL)),
    CONSTRAINT form_token_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT form_token_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user
);
CREATE INDEX form_token_expiry ON identity.form_token (expire_time);
SELECT identity.isolate('identity.form_token', 'SELECT, INSERT, UPDATE');
SELECT identity.isolate_queue('identity.form_token', 'SELECT (tenant_id, hash, expire_time), DELETE');

-- Attempts to link, with what was typed and what was decided. `facts` is what the rules looked at, without any text, so that the
-- decision can be made again; it is null where nothing was compared. A nonce is kept as a hash, an address as a keyed one.
CREATE TABLE identity.link_attempt (
    tenant_id uuid NOT NULL,
    link_attempt_id uuid NOT NULL,
    version bigint NOT NULL,
    method text NOT NULL,
    account_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    family_name text,
    given_name text,
    family_reading text,
    given_reading text,
    mobile_number text,
    nonce_hash bytea CHECK (octet_length(nonce_hash) = 32),
    address_hash bytea CHECK (octet_length(address_hash) = 32),
    counts boolean NOT NULL DEFAULT true, -- towards limits: it came with a form token that was good
    limited boolean NOT NULL DEFAULT false, -- too many when it came: it is refused whatever LINE says
    submit_time timestamptz NOT NULL,
    confirm_until timestamptz NOT NULL,
    told_time timestamptz, -- when LINE told who it was, by LINE's clock; null: no word came
    decide_time timestamptz,
    outcome text,
    reason text,
    facts jsonb,
    customer_id uuid,
    own_customer_id uuid, -- made with the activity that came with it
    activity_id uuid,
    inquiry_id uuid,
    takeover_request_id uuid,
    review_time timestamptz,
    review_staff_id uuid,
    review_note text,
    CONSTRAINT link_attempt_pkey PRIMARY KEY (tenant_id, link_attempt_id),
    CONSTRAINT link_attempt_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT link_attempt_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user,
    CONSTRAINT link_attempt_nonce UNIQUE (tenant_id, nonce_hash),
    CONSTRAINT link_attempt_decision CHECK (
        (decide_time IS NULL) = (outcome IS NULL) AND (outcome IS NULL) = (reason IS NULL))
);
CREATE INDEX link_attempt_latest ON identity.link_attempt (tenant_id, submit_time DESC, link_attempt_id DESC);
CREATE INDEX link_attempt_of_friend ON identity.link_attempt (tenant_id, friend_id, submit_time DESC, link_attempt_id DESC);
-- By these attempts are counted, without a look at their rows.
CREATE INDEX link_attempt_counted_of_account ON identity.link_attempt (tenant_id, account_id, submit_time DESC)
    WHERE counts AND NOT limited;
CREATE INDEX link_attempt_counted_of_friend ON identity.link_attempt (tenant_id, friend_id, submit_time DESC)
    WHERE counts;
CREATE INDEX link_attempt_counted_from_address ON identity.link_attempt (tenant_id, address_hash, submit_time DESC)
    WHERE address_hash IS NOT NULL AND counts;
CREATE INDEX link_attempt_review ON identity.link_attempt (tenant_id, submit_time DESC, link_attempt_id DESC)
    WHERE outcome = 'HELD' AND review_time IS NULL;
CREATE INDEX link_attempt_figures ON identity.link_attempt (tenant_id, decide_time, account_id, method, outcome, reason);
CREATE INDEX link_attempt_unheard ON identity.link_attempt (confirm_until, link_attempt_id) WHERE decide_time IS NULL;
SELECT identity.isolate('identity.link_attempt', 'SELECT, INSERT, UPDATE');
SELECT identity.isolate_queue('identity.link_attempt', 'SELECT (tenant_id, link_attempt_id, confirm_until, decide_time)');

-- Which customers an attempt is about: those it looked at, and the one it was linked to or that came with it. By them the attempts
-- at one record are found, latest first, and counted.
CREATE TABLE identity.link_attempt_customer (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    submit_time timestamptz NOT NULL,
    link_attempt_id uuid NOT NULL,
    decide_time timestamptz NOT NULL, -- first
    CONSTRAINT link_attempt_customer_pkey PRIMARY KEY (tenant_id, customer_id, submit_time, link_attempt_id),
    CONSTRAINT link_attempt_customer_attempt FOREIGN KEY (tenant_id, link_attempt_id) REFERENCES identity.link_attempt,
    CONSTRAINT link_attempt_customer_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer
);
CREATE INDEX link_attempt_customer_of_attempt ON identity.link_attempt_customer (tenant_id, link_attempt_id);
SELECT identity.isolate('identity.link_attempt_customer', 'SELECT, INSERT, DELETE');

-- Activities that came with a submission of an internal service: on whom each was laid then, and by whom.
CREATE TABLE identity.submitted_activity (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    friend_id uuid, -- with whose form token it came, where that was good
    own boolean NOT NULL, -- the customer is an own record of that LINE user
    telling text NOT NULL CHECK (telling IN ('WAITING', 'CONFIRMED', 'REFUTED')), -- whether LINE said that it was that LINE user
    CONSTRAINT submitted_activity_pkey PRIMARY KEY (tenant_id, activity_id),
    CONSTRAINT submitted_activity_activity FOREIGN KEY (tenant_id, activity_id) REFERENCES identity.activity,
    CONSTRAINT submitted_activity_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer,
    CONSTRAINT submitted_activity_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user
);
CREATE INDEX submitted_activity_of_customer ON identity.submitted_activity (tenant_id, customer_id);
CREATE INDEX submitted_activity_own ON identity.submitted_activity (tenant_id, friend_id, customer_id) WHERE own;
SELECT identity.isolate('identity.submitted_activity', 'SELECT, INSERT, UPDATE');

-- What was written in inquiry forms.
CREATE TABLE identity.inquiry (
    tenant_id uuid NOT NULL,
    inquiry_id uuid NOT NULL,
    version bigint NOT NULL,
    account_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    name text NOT NULL,
    text text NOT NULL,
    submit_time timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('UNCONFIRMED', 'CONFIRMED', 'REFUTED')),
    CONSTRAINT inquiry_pkey PRIMARY KEY (tenant_id, inquiry_id),
    CONSTRAINT inquiry_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT inquiry_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user
);
SELECT identity.isolate('identity.inquiry', 'SELECT, INSERT, UPDATE');

-- Requests to take a link over from another LINE user.
CREATE TABLE identity.takeover_request (
    tenant_id uuid NOT NULL,
    takeover_request_id uuid NOT NULL,
    version bigint NOT NULL,
    link_attempt_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    link_id uuid NOT NULL, -- the link as it was
    linked_friend_id uuid NOT NULL,
    asking_friend_id uuid NOT NULL,
    assurance text NOT NULL CHECK (assurance IN ('NAME', 'NAME_AND_MOBILE', 'PROVEN')),
    state text NOT NULL CHECK (state IN ('OPEN', 'CONFIRMED', 'APPROVED', 'DECLINED', 'EXPIRED', 'OBSOLETE')),
    ask_time timestamptz NOT NULL, -- when it was last asked for, by LINE's clock where LINE confirmed it
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    settle_time timestamptz,
    staff_id uuid,
    note text,
    CONSTRAINT takeover_request_pkey PRIMARY KEY (tenant_id, takeover_request_id),
    CONSTRAINT takeover_request_attempt FOREIGN KEY (tenant_id, link_attempt_id) REFERENCES identity.link_attempt,
    CONSTRAINT takeover_request_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer,
    CONSTRAINT takeover_request_link FOREIGN KEY (tenant_id, link_id) REFERENCES identity.link,
    CONSTRAINT takeover_request_settled CHECK ((state = 'OPEN') = (settle_time IS NULL))
);
CREATE UNIQUE INDEX takeover_request_open ON identity.takeover_request (tenant_id, customer_id, asking_friend_id)
    WHERE state = 'OPEN';
CREATE INDEX takeover_request_link ON identity.takeover_request (tenant_id, link_id) WHERE state = 'OPEN';
CREATE INDEX takeover_request_latest ON identity.takeover_request (tenant_id, create_time DESC, takeover_request_id DESC);
CREATE INDEX takeover_request_open_latest
    ON identity.takeover_request (tenant_id, create_time DESC, takeover_request_id DESC) WHERE state = 'OPEN';
CREATE INDEX takeover_request_of_customer
    ON identity.takeover_request (tenant_id, customer_id, create_time DESC, takeover_request_id DESC);
CREATE INDEX takeover_request_expiry ON identity.takeover_request (expire_time, takeover_request_id) WHERE settle_time IS NULL;
SELECT identity.isolate('identity.takeover_request', 'SELECT, INSERT, UPDATE');
SELECT identity.isolate_queue('identity.takeover_request', 'SELECT (tenant_id, takeover_request_id, expire_time, settle_time)');

-- Customers that may be one person twice; the smaller ID first, each pair once.
CREATE TABLE identity.duplicate_suspicion (
    tenant_id uuid NOT NULL,
    duplicate_suspicion_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    other_customer_id uuid NOT NULL,
    signs text[] NOT NULL CHECK (cardinality(signs) > 0),
    link_attempt_id uuid NOT NULL,
    create_time timestamptz NOT NULL,
    dismiss_time timestamptz,
    note text,
    CONSTRAINT duplicate_suspicion_pkey PRIMARY KEY (tenant_id, duplicate_suspicion_id),
    CONSTRAINT duplicate_suspicion_pair UNIQUE (tenant_id, customer_id, other_customer_id),
    CONSTRAINT duplicate_suspicion_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES identity.customer,
    CONSTRAINT duplicate_suspicion_other FOREIGN KEY (tenant_id, other_customer_id) REFERENCES identity.customer,
    CONSTRAINT duplicate_suspicion_order CHECK (customer_id < other_customer_id)
);
CREATE INDEX duplicate_suspicion_latest
    ON identity.duplicate_suspicion (tenant_id, create_time DESC, duplicate_suspicion_id DESC);
CREATE INDEX duplicate_suspicion_of_other ON identity.duplicate_suspicion (tenant_id, other_customer_id);
SELECT identity.isolate('identity.duplicate_suspicion', 'SELECT, INSERT, UPDATE');

-- Customers that absorbed others, and what it moved, so that it can be undone.
CREATE TABLE identity.merge (
    tenant_id uuid NOT NULL,
    merge_id uuid NOT NULL,
    survivor_id uuid NOT NULL,
    absorbed_id uuid NOT NULL,
    link_attempt_id uuid NOT NULL,
    ended_link_id uuid NOT NULL, -- of the absorbed one
    new_link_id uuid NOT NULL, -- of the survivor
    create_time timestamptz NOT NULL,
    undo_time timestamptz,
    note text,
    CONSTRAINT merge_pkey PRIMARY KEY (tenant_id, merge_id),
    CONSTRAINT merge_survivor FOREIGN KEY (tenant_id, survivor_id) REFERENCES identity.customer,
    CONSTRAINT merge_absorbed FOREIGN KEY (tenant_id, absorbed_id) REFERENCES identity.customer,
    CONSTRAINT merge_ended_link FOREIGN KEY (tenant_id, ended_link_id) REFERENCES identity.link,
    CONSTRAINT merge_new_link FOREIGN KEY (tenant_id, new_link_id) REFERENCES identity.link
);
CREATE INDEX merge_latest ON identity.merge (tenant_id, create_time DESC, merge_id DESC);
CREATE INDEX merge_of_survivor ON identity.merge (tenant_id, survivor_id);
CREATE INDEX merge_of_absorbed ON identity.merge (tenant_id, absorbed_id);
SELECT identity.isolate('identity.merge', 'SELECT, INSERT, UPDATE');

-- What a first message of a LINE user nobody is linked to led to, once: the card that asks to link, or a registration (D-2). A
-- registration waits for the name the user shows on LINE.
CREATE TABLE identity.first_message (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    message_time timestamptz NOT NULL,
    registers boolean NOT NULL, -- waits for its name
    CONSTRAINT first_message_pkey PRIMARY KEY (tenant_id, friend_id, account_id),
    CONSTRAINT first_message_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT first_message_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user
);
SELECT identity.isolate('identity.first_message');
