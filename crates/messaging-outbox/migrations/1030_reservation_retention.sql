-- Reservations that began long ago are forgotten: 60 days after their beginning, and no sooner than that after they were heard of last,
-- so that no older version that comes late takes the place of a newer one that was forgotten.
ALTER TABLE {schema}.activity_replica ADD COLUMN heard_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX activity_replica_start ON {schema}.activity_replica (start_time);
SELECT {schema}.isolate_queue('{schema}.activity_replica', 'SELECT (tenant_id, activity_id, start_time, heard_at), DELETE');
