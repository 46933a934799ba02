-- A branch's customers, the latest change first: what its staff see (F-72).
CREATE INDEX customer_of_organization ON identity.customer (tenant_id, organization_id, update_time DESC, customer_id DESC)
    WHERE merged_into IS NULL;
