-- Friendships that are made anew from LINE's events, beside what is kept of them: `anew_state` is set while that goes on.
--
-- anew_told_time  the earliest event told again of it; null: none was, and what is kept stands
-- silent          known by events told again alone: nothing has followed from it yet
ALTER TABLE identity.friendship
    ADD COLUMN anew_state text CHECK (anew_state IN ('SEEN', 'FRIEND', 'BLOCKED')),
    ADD COLUMN anew_turn_time timestamptz,
    ADD COLUMN anew_turn_event_id text,
    ADD COLUMN anew_told_time timestamptz,
    ADD COLUMN silent boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT friendship_anew CHECK (
        (coalesce(anew_state, 'SEEN') = 'SEEN') = (anew_turn_time IS NULL)
        AND (anew_turn_time IS NULL) = (anew_turn_event_id IS NULL));
CREATE INDEX friendship_anew ON identity.friendship (tenant_id, account_id, friend_id) WHERE anew_state IS NOT NULL;

-- The tenant's last rebuild. `after_*` is where preparing has come to; replay IDs rise, so that one of the past is told from it.
CREATE TABLE identity.rebuild (
    tenant_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'PREPARING' CHECK (state IN ('PREPARING', 'PREPARED', 'REPLACING', 'REPLACED', 'ABANDONED')),
    after_account_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    after_friend_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    renewed_count bigint NOT NULL DEFAULT 0,
    kept_count bigint NOT NULL DEFAULT 0,
    CONSTRAINT rebuild_pkey PRIMARY KEY (tenant_id)
);
SELECT identity.isolate('identity.rebuild', 'SELECT, INSERT, UPDATE');
