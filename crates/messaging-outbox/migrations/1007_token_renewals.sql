-- How often tokens of this credential were replaced because LINE refused them, and when last.
ALTER TABLE {schema}.access_token ADD COLUMN renewals smallint NOT NULL DEFAULT 0, ADD COLUMN renewals_time timestamptz;
