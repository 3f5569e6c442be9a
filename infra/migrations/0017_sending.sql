-- What was never sent, in its order, and what is under way: both are asked for while a large import waits.
CREATE INDEX outbox_by_sending ON outbox (sent_at, created_at);
