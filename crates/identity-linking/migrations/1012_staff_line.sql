-- LINE users as the staff account knows them: staff, and who may become staff. They are no friends, and no customers.
CREATE TABLE identity.staff_line_user (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    line_user_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('SEEN', 'FRIEND', 'BLOCKED')),
    first_seen_time timestamptz NOT NULL,
    turn_time timestamptz,
    turn_event_id text,
    CONSTRAINT staff_line_user_pkey PRIMARY KEY (tenant_id, account_id, line_user_id),
    CONSTRAINT staff_line_user_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT staff_line_user_turn CHECK ((turn_time IS NULL) = (turn_event_id IS NULL))
);
SELECT identity.isolate('identity.staff_line_user', 'SELECT, INSERT, UPDATE');

-- What changes of how staff can be reached: which LINE user of the staff account each is bound to. The version rises with every
-- change of it and of the address and activity that staff_member keeps.
CREATE TABLE identity.staff_contact (
    tenant_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    version bigint NOT NULL,
    account_id uuid,
    line_user_id text,
    line_blocked boolean NOT NULL DEFAULT false,
    CONSTRAINT staff_contact_pkey PRIMARY KEY (tenant_id, staff_id),
    CONSTRAINT staff_contact_staff FOREIGN KEY (tenant_id, staff_id) REFERENCES identity.staff_member,
    CONSTRAINT staff_contact_line FOREIGN KEY (tenant_id, account_id, line_user_id) REFERENCES identity.staff_line_user,
    CONSTRAINT staff_contact_bound CHECK ((account_id IS NULL) = (line_user_id IS NULL))
);
-- One LINE user is one staff member.
CREATE UNIQUE INDEX staff_contact_of_line_user ON identity.staff_contact (tenant_id, account_id, line_user_id);
SELECT identity.isolate('identity.staff_contact', 'SELECT, INSERT, UPDATE');

-- Invitations of staff to LINE: hashes of their codes. At most one of a member is open.
CREATE TABLE identity.staff_invitation (
    tenant_id uuid NOT NULL,
    staff_invitation_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    create_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    use_time timestamptz,
    revoke_time timestamptz,
    CONSTRAINT staff_invitation_pkey PRIMARY KEY (tenant_id, staff_invitation_id),
    CONSTRAINT staff_invitation_staff FOREIGN KEY (tenant_id, staff_id) REFERENCES identity.staff_member,
    CONSTRAINT staff_invitation_code UNIQUE (tenant_id, hash),
    CONSTRAINT staff_invitation_end CHECK (use_time IS NULL OR revoke_time IS NULL)
);
CREATE INDEX staff_invitation_latest
    ON identity.staff_invitation (tenant_id, create_time DESC, staff_invitation_id DESC);
CREATE INDEX staff_invitation_of_staff
    ON identity.staff_invitation (tenant_id, staff_id, create_time DESC, staff_invitation_id DESC);
SELECT identity.isolate('identity.staff_invitation', 'SELECT, INSERT, UPDATE');

-- Hashes of the tokens in the cards that the staff account answers with: which LINE user a card was given to. Dropped a week after
-- their end.
CREATE TABLE identity.staff_form_token (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    account_id uuid NOT NULL,
    line_user_id text NOT NULL,
    issue_time timestamptz NOT NULL,
    expire_time timestamptz NOT NULL,
    CONSTRAINT staff_form_token_pkey PRIMARY KEY (tenant_id, hash),
    CONSTRAINT staff_form_token_line_user FOREIGN KEY (tenant_id, account_id, line_user_id)
        REFERENCES identity.staff_line_user
);
CREATE INDEX staff_form_token_of_line_user
    ON identity.staff_form_token (tenant_id, account_id, line_user_id, issue_time DESC);
CREATE INDEX staff_form_token_expiry ON identity.staff_form_token (expire_time);
SELECT identity.isolate('identity.staff_form_token', 'SELECT, INSERT');
SELECT identity.isolate_queue('identity.staff_form_token', 'SELECT (tenant_id, hash, expire_time), DELETE');

-- Whoever typed a code, right or wrong: by them attempts are counted. A right one waits for LINE's word, by the hash of its nonce.
-- Dropped after a month.
CREATE TABLE identity.staff_bind_attempt (
    tenant_id uuid NOT NULL,
    staff_bind_attempt_id uuid NOT NULL,
    account_id uuid NOT NULL,
    line_user_id text NOT NULL,
    staff_invitation_id uuid, -- null: the code was none's
    nonce_hash bytea CHECK (octet_length(nonce_hash) = 32),
    address_hash bytea NOT NULL CHECK (octet_length(address_hash) = 32),
    submit_time timestamptz NOT NULL,
    told_time timestamptz, -- when LINE told who it was, by LINE's clock; null: no word came
    outcome text CHECK (outcome IN ('BOUND', 'BAD_CODE', 'NOT_CONFIRMED', 'LINE_USER_TAKEN')),
    CONSTRAINT staff_bind_attempt_pkey PRIMARY KEY (tenant_id, staff_bind_attempt_id),
    CONSTRAINT staff_bind_attempt_line_user FOREIGN KEY (tenant_id, account_id, line_user_id)
        REFERENCES identity.staff_line_user,
    CONSTRAINT staff_bind_attempt_invitation FOREIGN KEY (tenant_id, staff_invitation_id)
        REFERENCES identity.staff_invitation,
    CONSTRAINT staff_bind_attempt_nonce UNIQUE (tenant_id, nonce_hash),
    CONSTRAINT staff_bind_attempt_waits CHECK ((staff_invitation_id IS NULL) = (nonce_hash IS NULL))
);
CREATE INDEX staff_bind_attempt_of_line_user
    ON identity.staff_bind_attempt (tenant_id, account_id, line_user_id, submit_time DESC);
CREATE INDEX staff_bind_attempt_from_address
    ON identity.staff_bind_attempt (tenant_id, address_hash, submit_time DESC);
CREATE INDEX staff_bind_attempt_age ON identity.staff_bind_attempt (submit_time);
SELECT identity.isolate('identity.staff_bind_attempt', 'SELECT, INSERT, UPDATE');
SELECT identity.isolate_queue(
    'identity.staff_bind_attempt', 'SELECT (tenant_id, staff_bind_attempt_id, submit_time), DELETE');
