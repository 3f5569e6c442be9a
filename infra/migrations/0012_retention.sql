-- What goes: datasets with their data, and blobs to which nothing refers.

ALTER TABLE datasets ADD COLUMN deleted_at INTEGER;   -- from then on it is as if it were gone; the sweep deletes what is left of it
-- Runs stay when their dataset goes. They belong to a row of its own then, named id~deleted_at, of which nothing else is left.
ALTER TABLE datasets ADD COLUMN deleted_id TEXT;      -- of such a row: the id that the dataset had
CREATE INDEX datasets_by_deletion ON datasets (deleted_id, deleted_at);

-- Whoever was let in before the deletion writes nothing after it. Pairs, statements and the outbox are written from rows of comparisons alone.
CREATE TRIGGER comparisons_need_dataset BEFORE INSERT ON comparisons
WHEN (SELECT deleted_at FROM datasets WHERE id = NEW.dataset_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the dataset is deleted'); END;
CREATE TRIGGER endpoints_need_dataset BEFORE INSERT ON webhook_endpoints
WHEN (SELECT deleted_at FROM datasets WHERE id = NEW.dataset_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the dataset is deleted'); END;
CREATE TRIGGER retractions_need_dataset BEFORE INSERT ON retractions
WHEN (SELECT deleted_at FROM datasets WHERE id = NEW.dataset_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the dataset is deleted'); END;
CREATE TRIGGER runs_need_dataset BEFORE INSERT ON runs
WHEN (SELECT deleted_at FROM datasets WHERE id = NEW.dataset_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the dataset is deleted'); END;

CREATE INDEX comparisons_by_payload ON comparisons (payload_digest);
CREATE INDEX IF NOT EXISTS pair_statements_by_comparison ON pair_statements (comparison_id);
CREATE INDEX runs_by_end ON runs (updated_at, id) WHERE status <> 'running';

-- Who is about to refer to a blob says so first; for a week that counts as a reference.
CREATE TABLE blob_claims (
  digest TEXT NOT NULL,
  holder TEXT NOT NULL,                  -- '' of whoever stores or finds a blob; else dataset/comparison, given up when the comparison is there
  claimed_at INTEGER NOT NULL,
  PRIMARY KEY (digest, holder)
) WITHOUT ROWID;

CREATE INDEX blob_claims_held ON blob_claims (holder) WHERE holder <> '';

-- Blobs that are being deleted at this moment: looked at once more after they are listed here, and no longer listed when they are gone.
CREATE TABLE condemned_blobs (
  digest TEXT PRIMARY KEY,
  uploaded_before INTEGER                -- it stays where it was stored again since; NULL = in any case
) WITHOUT ROWID;

CREATE TABLE sweep_counters (
  name TEXT PRIMARY KEY,                 -- datasets_deleted | blobs_deleted | runs_forgotten | metrics_forgotten
  value INTEGER NOT NULL
);
