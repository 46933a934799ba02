COALESCE((SELECT jsonb_agg(jsonb_build_object('number', p.number, 'e164', p.e164, 'kind', p.kind) ORDER BY p.position)
    FROM identity.customer_phone p WHERE p.tenant_id = c.tenant_id AND p.customer_id = c.customer_id), '[]') AS phones,
COALESCE((SELECT jsonb_agg(jsonb_build_object('kind', a.kind, 'postal_code', a.postal_code, 'region', a.region,
        'locality', a.locality, 'street', a.street) ORDER BY a.position)
    FROM identity.customer_address a WHERE a.tenant_id = c.tenant_id AND a.customer_id = c.customer_id), '[]') AS addresses
