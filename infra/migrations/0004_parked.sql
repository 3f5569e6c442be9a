-- A comparison that the scorer dies of goes alone after a few tries, and is parked (comparisons.status = 'parked') after a few more.
-- Counted before the work begins and forgotten when it ends in any way, so that what is left are tries that ended with the isolate.
ALTER TABLE outbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
CREATE INDEX comparisons_by_status ON comparisons (dataset_id, status);

-- The versions of one external id by their status: superseded ones are never looked at again, however many there are.
DROP INDEX comparisons_by_external_id;
CREATE INDEX comparisons_by_external_id ON comparisons (dataset_id, source, endpoint_id, external_id, status);
