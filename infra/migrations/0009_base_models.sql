-- Base models of any size.

-- Where runners fetch the weights of a model that is registered by digests only: JSON of its HubSource; NULL = its files are stored.
ALTER TABLE models ADD COLUMN source TEXT;

-- Files that arrive in parts. R2 does not tell which parts it has, so it is written down here.

CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL,                  -- of the whole file, as its sender says
  bytes INTEGER NOT NULL,
  part_bytes INTEGER NOT NULL,           -- of every part but the last
  multipart_id TEXT NOT NULL,            -- R2's own
  created_at INTEGER NOT NULL,
  UNIQUE (digest, bytes)                 -- who sends the same file goes on with it
);

CREATE TABLE upload_parts (
  upload_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  etag TEXT NOT NULL,
  PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
