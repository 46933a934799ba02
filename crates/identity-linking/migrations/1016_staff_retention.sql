-- Invitations are dropped 90 days after their time is over: longer than any attempt to bind by one is kept.
CREATE INDEX staff_invitation_age ON identity.staff_invitation (expire_time);
SELECT identity.isolate_queue(
    'identity.staff_invitation', 'SELECT (tenant_id, staff_invitation_id, expire_time), DELETE');

-- LINE users of a staff account who are nobody's staff are dropped 90 days after they were seen there, came back or blocked it last,
-- and so is where they were bound once. In which tenants there may be such is looked for across tenants, and who it is within one.
SELECT identity.isolate_queue('identity.staff_line_user', 'SELECT (tenant_id, first_seen_time, turn_time)');
GRANT DELETE ON identity.staff_line_user, identity.staff_guest_binding TO identity;
