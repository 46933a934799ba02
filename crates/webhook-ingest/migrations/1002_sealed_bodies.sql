-- Bodies are encrypted under their tenant's data key from here on: `payload` of bodies and of quarantined ones opens under the
-- tenant and the body's own ID. The keys live in every replica's memory, which reads those of all tenants at its start: the wrapped
-- form, which opens with the master key alone.
GRANT SELECT (wrapped, created_at) ON ingest.data_key TO ingest_worker;

-- Bytes of the body as it came; its ciphertext is longer.
ALTER TABLE ingest.quarantined_body ADD COLUMN size integer NOT NULL DEFAULT 0;

-- Who sent an event, as a digest under the tenant's data key, and which message it is about: to search by, and to find what a
-- person or an unsend wants erased. No index: both are rare, and each event would pay for it; they are looked for among the events
-- of an account and a time.
ALTER TABLE ingest.seen_event
    ADD COLUMN line_user uuid,
    ADD COLUMN message_id text;
