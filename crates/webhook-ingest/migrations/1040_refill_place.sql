-- How far a refill has come: whoever takes it over goes on there.
ALTER TABLE ingest.refill
    ADD COLUMN at_tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- those before it are done
    ADD COLUMN from_body uuid; -- the first of its bodies that is not done; none: not begun

-- Whether a body begins a run of those that a refill puts back as one row. Its ID ends in chance, so that about every 64th does.
CREATE FUNCTION ingest.begins_run(body_id uuid) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN right(body_id::text, 2) IN ('00', '40', '80', 'c0');
GRANT EXECUTE ON FUNCTION ingest.begins_run(uuid) TO ingest;
