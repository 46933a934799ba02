-- Reservations that began long ago are forgotten: 60 days after their beginning, and no sooner than that after they were heard of last,
-- so that no older version that comes late takes the place of a newer one that was forgotten.
ALTER TABLE {schema}.reservation ADD COLUMN heard_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX reservation_start ON {schema}.reservation (start_time);
GRANT SELECT (heard_at), DELETE ON {schema}.reservation TO {schema}_worker;
