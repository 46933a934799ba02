-- How many of an account's friends are known, beside LINE's figures of the last day that it told (F-60).
CREATE TABLE identity.friend_coverage (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    as_of_date date NOT NULL, -- LINE's day, of Japan's calendar
    friends bigint NOT NULL CHECK (friends >= 0), -- by LINE's figures
    known_friends bigint NOT NULL CHECK (known_friends >= 0),
    CONSTRAINT friend_coverage_pkey PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT friend_coverage_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account
);
SELECT identity.isolate('identity.friend_coverage');
