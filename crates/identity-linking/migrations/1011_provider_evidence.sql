-- Which accounts hear of the same LINE users, and so share their provider, whatever was declared (D-12). The smaller ID first, each
-- pair once, with the first time it was found; which user told it is not kept.
CREATE TABLE identity.provider_evidence (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    other_account_id uuid NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('CONFIRMS', 'REFUTES')),
    create_time timestamptz NOT NULL,
    CONSTRAINT provider_evidence_pkey PRIMARY KEY (tenant_id, account_id, other_account_id),
    CONSTRAINT provider_evidence_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT provider_evidence_other FOREIGN KEY (tenant_id, other_account_id) REFERENCES identity.official_account,
    CONSTRAINT provider_evidence_order CHECK (account_id < other_account_id)
);
SELECT identity.isolate('identity.provider_evidence', 'SELECT, INSERT');
