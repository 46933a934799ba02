-- A tenant's policy on links, as identity-linking says it; of a tenant without a row the defaults hold. The highest version wins.
CREATE TABLE {schema}.link_policy_replica (
    tenant_id uuid NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    least_reminder_assurance smallint NOT NULL -- the number of tsunagi.events.v1.Assurance
);
SELECT {schema}.isolate('{schema}.link_policy_replica');
