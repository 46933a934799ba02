-- What else of a conversation waits for a time that has passed. Before the column: whoever sends takes the two tables in this order.
CREATE INDEX scheduled_send_conversation ON {schema}.scheduled_send (tenant_id, conversation_id, send_time, message_id);

-- Messages that waited for their time and whose times have passed together leave in the order of those times, though the queue's own
-- order is that of their IDs: `behind` names the message that must have left the queue first.
ALTER TABLE {schema}.send ADD COLUMN behind uuid;
CREATE INDEX send_behind ON {schema}.send (tenant_id, account_id, conversation_id) WHERE behind IS NOT NULL;
