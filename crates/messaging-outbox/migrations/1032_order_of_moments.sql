-- Messages that waited for their time and whose times have passed together leave in the order of those times, though the queue's own
-- order is that of their IDs: `behind` names the message that must have left the queue first.
ALTER TABLE {schema}.send ADD COLUMN behind uuid;

-- What else of a conversation waits for a time that has passed.
CREATE INDEX scheduled_send_conversation ON {schema}.scheduled_send (tenant_id, conversation_id, send_time, message_id);
