-- For how long a tenant's bodies are kept, where it is another time than the platform's.
CREATE TABLE ingest.retention (
    tenant_id uuid NOT NULL,
    body_days smallint NOT NULL CHECK (body_days BETWEEN 0 AND 3650), -- 0: the platform's
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id)
);
SELECT ingest.isolate('ingest.retention', 'SELECT, INSERT, UPDATE');
SELECT ingest.isolate_queue('ingest.retention', 'SELECT');

-- A tenant with a shorter time than others has its rows deleted; whole partitions go when nobody keeps them.
GRANT DELETE ON ingest.body, ingest.quarantined_body TO ingest;

-- Quarantined bodies lie in partitions of weeks: what is over in one that stays is found by the worker, by its ID, and deleted under
-- its tenant.
GRANT SELECT (tenant_id, body_id) ON ingest.quarantined_body TO ingest_worker;
