-- From when the tenant's plan closes customers' LINE tabs (F-35); null: it does not.
ALTER TABLE {schema}.tenant_replica ADD COLUMN line_tab_close_time timestamptz;
