-- How uploads in parts ended, for as long as an upload may take: who lost the answer asks again, and gets the same.
CREATE TABLE ended_uploads (
  id TEXT PRIMARY KEY,                   -- the upload's
  digest TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  outcome TEXT NOT NULL,                 -- 'created', 'found' (the same bytes had come another way), 'mismatch'
  ended_at INTEGER NOT NULL
) WITHOUT ROWID;
