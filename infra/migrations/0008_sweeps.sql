-- Answers that are remembered under an Idempotency-Key are forgotten after a week, and webhook endpoints can be deleted.

CREATE INDEX idempotency_by_age ON idempotency (created_at);

ALTER TABLE webhook_endpoints ADD COLUMN deleted_at INTEGER;  -- takes nothing any more; what came through it stays
