-- An answer about a dataset is forgotten with it: a later dataset of its id is another.
ALTER TABLE idempotency ADD COLUMN dataset_id TEXT;
CREATE INDEX idempotency_by_dataset ON idempotency (dataset_id) WHERE dataset_id IS NOT NULL;
