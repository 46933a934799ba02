-- Bodies whose signature no known secret proves, held for a quarter of an hour in case the account's secret was issued anew. Nothing is
-- believed of them. `judged_version` is the version of the account whose secrets did not prove them.
CREATE TABLE ingest.held_body (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    body_id uuid NOT NULL, -- UUIDv7 of the moment it was received at
    received_at timestamptz NOT NULL,
    judged_version bigint NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) = 32),
    trace text,
    payload bytea NOT NULL,
    PRIMARY KEY (tenant_id, account_id, body_id)
);
CREATE INDEX held_body_received ON ingest.held_body (received_at);
SELECT ingest.isolate('ingest.held_body', 'SELECT, INSERT, UPDATE (judged_version), DELETE');
SELECT ingest.isolate_queue('ingest.held_body', 'SELECT (tenant_id, account_id, body_id, received_at, judged_version), DELETE');

ALTER TABLE ingest.finding DROP CONSTRAINT finding_kind_check;
ALTER TABLE ingest.finding ADD CONSTRAINT finding_kind_check CHECK (kind IN ('signature_missing', 'signature_wrong',
    'wrong_destination', 'unreadable_body', 'body_too_large', 'outside_window', 'signature_held'));
