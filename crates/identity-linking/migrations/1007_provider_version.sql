-- A provider's name and LINE's ID of it are what an operator declared, and may be put right.
ALTER TABLE identity.provider ADD COLUMN version bigint NOT NULL DEFAULT 1;
GRANT UPDATE (version, display_name, line_provider_id) ON identity.provider TO identity;
