-- Where a change took the conversation away from an organization: that one, nil where it was nobody's. Whoever watched it there is
-- told, and of nothing else of it.
ALTER TABLE {schema}.conversation_change ADD COLUMN left_organization_id uuid;
