-- Jobs are claimed tenant by tenant, each tenant's by their due times.
CREATE INDEX content_job_turn ON {schema}.content_job (tenant_id, due) WHERE due < 'infinity';
DROP INDEX {schema}.content_job_due;
ALTER TABLE {schema}.content_job
    SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

ALTER TABLE {schema}.group_name_job ADD COLUMN create_time timestamptz NOT NULL DEFAULT now();
CREATE INDEX group_name_job_turn ON {schema}.group_name_job (tenant_id, due) WHERE due < 'infinity';
DROP INDEX {schema}.group_name_job_due;
ALTER TABLE {schema}.group_name_job
    SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
