-- LINE's ID of the member who wrote in a group or room, where LINE tells it.
ALTER TABLE {schema}.message ADD COLUMN writer_line_user_id text;
