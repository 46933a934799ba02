-- Profile requests are claimed tenant by tenant, each tenant's by their due times.
ALTER TABLE identity.profile_request ADD COLUMN create_time timestamptz NOT NULL DEFAULT now();
CREATE INDEX profile_request_turn ON identity.profile_request (tenant_id, due_time) WHERE due_time < 'infinity';
DROP INDEX identity.profile_request_due;
ALTER TABLE identity.profile_request
    SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
