-- LINE users as the staff account knows them: staff, and who may become staff. They are no friends, and no customers.
CREATE TABLE identity.staff_line_user (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    line_user_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('SEEN', 'FRIEND', 'BLOCKED')),
    first_seen_time timestamptz NOT NULL,
    turn_time timestamptz,
    turn_event_id text,
    CONSTRAINT staff_line_user_pkey PRIMARY KEY (tenant_id, account_id, line_user_id),
    CONSTRAINT staff_line_user_account FOREIGN KEY (tenant_id, account_id) REFERENCES identity.official_account,
    CONSTRAINT staff_line_user_turn CHECK ((turn_time IS NULL) = (turn_event_id IS NULL))
);
SELECT identity.isolate('identity.staff_line_user', 'SELECT, INSERT, UPDATE');

-- What changes of how staff can be reached: which LINE user of the staff account each is bound to. The version rises with every
-- change of it and of the address and activity that staff_member keeps.
CREATE TABLE identity.staff_contact (
    tenant_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    version bigint NOT NULL,
    account_id uuid,
    line_user_id text,
    line_blocked boolean NOT NULL DEFAULT false,
    CONSTRAINT staff_contact_pkey PRIMARY KEY (tenant_id, staff_id),
    CONSTRAINT staff_contact_staff FOREIGN KEY (tenant_id, staff_id) REFERENCES identity.staff_member,
    CONSTRAINT staff_contact_line FOREIGN KEY (tenant_id, account_id, line_user_id) REFERENCES identity.staff_line_user,
    CONSTRAINT staff_contact_bound CHECK ((account_id IS NULL) = (line_user_id IS NULL))
);
-- One LINE user is one staff member.
CREATE UNIQUE INDEX staff_contact_of_line_user ON identity.staff_contact (tenant_id, account_id, line_user_id);
SELECT identity.isolate('identity.staff_contact', 'SELECT, INSERT, UPDATE');
