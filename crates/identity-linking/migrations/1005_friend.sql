-- LINE users, known under one provider. friend_id follows from provider and user ID, so that a rebuild finds the same one.
CREATE TABLE identity.line_user (
    tenant_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    version bigint NOT NULL,
    provider_id uuid NOT NULL,
    line_user_id text NOT NULL,
    display_name text,
    picture_url text,
    create_time timestamptz NOT NULL,
    profile_time timestamptz,
    confirm_time timestamptz, -- when the user last confirmed a link in LINE's dialog, by LINE's clock: an earlier end does not end it
    unlink_time timestamptz, -- when the user last ended a link, by LINE's clock: a confirmation from before ends with it
    CONSTRAINT line_user_pkey PRIMARY KEY (tenant_id, friend_id),
    CONSTRAINT line_user_provider FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.provider,
    CONSTRAINT line_user_id UNIQUE (tenant_id, provider_id, line_user_id)
);
SELECT identity.isolate('identity.line_user');

-- What a tenant itself recorded of them (F-02); LINE tells none of it (D-12).
CREATE TABLE identity.friend_attributes (
    tenant_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    mobile_number text,
    gender text CHECK (gender IN ('MALE', 'FEMALE')),
    age smallint CHECK (age BETWEEN 1 AND 150),
    prefecture text,
    CONSTRAINT friend_attributes_pkey PRIMARY KEY (tenant_id, friend_id),
    CONSTRAINT friend_attributes_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user
);
SELECT identity.isolate('identity.friend_attributes');

-- One friendship per official account. `turn_*`: the latest follow or unfollow by LINE's clock; none heard of: only seen.
CREATE TABLE identity.friendship (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('SEEN', 'FRIEND', 'BLOCKED')),
    first_seen_time timestamptz NOT NULL,
    turn_time timestamptz,
    turn_event_id text,
    CONSTRAINT friendship_pkey PRIMARY KEY (tenant_id, account_id, friend_id),
    CONSTRAINT friendship_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT friendship_friend FOREIGN KEY (tenant_id, friend_id) REFERENCES identity.line_user,
    CONSTRAINT friendship_turn CHECK ((state = 'SEEN') = (turn_time IS NULL) AND (turn_time IS NULL) = (turn_event_id IS NULL))
);
CREATE INDEX friendship_latest ON identity.friendship (tenant_id, account_id, first_seen_time DESC, friend_id DESC);
CREATE INDEX friendship_of_friend ON identity.friendship (tenant_id, friend_id);
CREATE INDEX friendship_state ON identity.friendship (tenant_id, account_id, state);
SELECT identity.isolate('identity.friendship');

-- Whose profile LINE is to be asked for, and through which account. IDs of our own only.
CREATE TABLE identity.profile_request (
    tenant_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    account_id uuid NOT NULL,
    due_time timestamptz NOT NULL,
    tries int NOT NULL,
    claim uuid, -- of whoever has it in hand; null once it is put in again
    CONSTRAINT profile_request_pkey PRIMARY KEY (tenant_id, friend_id)
);
CREATE INDEX profile_request_due ON identity.profile_request (due_time);
CREATE INDEX profile_request_account ON identity.profile_request (tenant_id, account_id) WHERE due_time = 'infinity';
SELECT identity.isolate('identity.profile_request');
SELECT identity.isolate_queue('identity.profile_request', 'SELECT, UPDATE');
