-- Channel access tokens that LINE limits in number (v2.1: 30 at once), encrypted under the tenant's data key, so that a restart
-- and a second replica use the one there is. `credential` tells with which credential it was got.
CREATE TABLE {schema}.access_token (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    credential uuid NOT NULL,
    renew_time timestamptz NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (tenant_id, account_id)
);
SELECT {schema}.isolate('{schema}.access_token');
