-- How many LINE users each account knows in each state, as a sum: every change of a friendship adds to it in its own
-- transaction and waits for no other. About every 256th row adds an account's rows up, so that there are never many.
CREATE TABLE identity.friend_tally (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    tally_id bigint GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT friend_tally_pkey PRIMARY KEY (tenant_id, account_id, tally_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

CREATE FUNCTION identity.tally_friend(tenant uuid, account uuid, counted text, more bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    added bigint;
BEGIN
    INSERT INTO identity.friend_tally (tenant_id, account_id, state, number) VALUES (tenant, account, counted, more)
        RETURNING tally_id INTO added;
    IF added % 256 = 0 THEN
        -- Rows that somebody else is adding up just now are left to them: nobody waits, and no row is taken twice.
        WITH taken AS (
            SELECT tally_id FROM identity.friend_tally WHERE tenant_id = tenant AND account_id = account
                FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM identity.friend_tally t USING taken
                WHERE t.tenant_id = tenant AND t.account_id = account AND t.tally_id = taken.tally_id
                RETURNING t.state, t.number
        )
        INSERT INTO identity.friend_tally (tenant_id, account_id, state, number)
            SELECT tenant, account, gone.state, sum(gone.number) FROM gone GROUP BY gone.state HAVING sum(gone.number) <> 0;
    END IF;
END
$$;

CREATE FUNCTION identity.tally_friendship() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM identity.tally_friend(NEW.tenant_id, NEW.account_id, NEW.state, 1);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM identity.tally_friend(OLD.tenant_id, OLD.account_id, OLD.state, -1);
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION identity.tally_friend(uuid, uuid, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.tally_friend(uuid, uuid, text, bigint) TO identity;
REVOKE ALL ON FUNCTION identity.tally_friendship() FROM PUBLIC;

CREATE TRIGGER friendship_tally AFTER INSERT OR DELETE ON identity.friendship
    FOR EACH ROW EXECUTE FUNCTION identity.tally_friendship();
CREATE TRIGGER friendship_tally_change AFTER UPDATE ON identity.friendship
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION identity.tally_friendship();

-- What is there already, read by the owner over all tenants; the triggers' lock keeps others from changing it meanwhile.
ALTER TABLE identity.friendship NO FORCE ROW LEVEL SECURITY;
INSERT INTO identity.friend_tally (tenant_id, account_id, state, number)
    SELECT tenant_id, account_id, state, count(*) FROM identity.friendship GROUP BY tenant_id, account_id, state;
ALTER TABLE identity.friendship FORCE ROW LEVEL SECURITY;
SELECT identity.isolate('identity.friend_tally');
