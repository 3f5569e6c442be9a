-- What labelling tools sent and what they took back. An annotation's id is the tool's own, unique in one server only: with the endpoint
-- that it came through it is a name here.

ALTER TABLE comparisons ADD COLUMN endpoint_id TEXT NOT NULL DEFAULT '';  -- '' of the API, and where it was not kept
ALTER TABLE comparisons ADD COLUMN tool_task TEXT;                        -- the tool's task (record) and project (dataset) that it
ALTER TABLE comparisons ADD COLUMN tool_project TEXT;                     -- stands in; NULL where they were not kept

-- Comparisons stored before belong to the only endpoint that they can have come through. Where there are several, the first
-- that names the annotation again has it.
UPDATE comparisons SET endpoint_id = (
    SELECT id FROM webhook_endpoints e WHERE e.dataset_id = comparisons.dataset_id AND e.source = comparisons.source)
 WHERE (SELECT count(*) FROM webhook_endpoints e
         WHERE e.dataset_id = comparisons.dataset_id AND e.source = comparisons.source) = 1;

DROP INDEX comparisons_by_external_id;
CREATE INDEX comparisons_by_external_id ON comparisons (dataset_id, source, endpoint_id, external_id);
CREATE INDEX comparisons_by_tool_task ON comparisons (dataset_id, source, endpoint_id, tool_task);
CREATE INDEX comparisons_by_tool_project ON comparisons (dataset_id, source, endpoint_id, tool_project);

-- What was taken back, also where nothing of it is stored (yet): a judgement counts if it was said after that.
CREATE TABLE retractions (
  dataset_id TEXT NOT NULL REFERENCES datasets (id),
  source TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,
  scope TEXT NOT NULL,                   -- annotation | task | project
  external_id TEXT NOT NULL,             -- of that annotation, task or project
  retracted_at INTEGER NOT NULL,         -- the newest, by the tool's clock; 8640000000000000 = deleted, for good
  PRIMARY KEY (dataset_id, source, endpoint_id, scope, external_id)
);

-- When it was taken back was not kept before, so it is when the newest of it was said: what is said after that counts again.
INSERT INTO retractions (dataset_id, source, endpoint_id, scope, external_id, retracted_at)
SELECT dataset_id, source, endpoint_id, 'annotation', external_id, max(coalesce(labelled_at, received_at))
  FROM comparisons WHERE status = 'retracted' GROUP BY dataset_id, source, endpoint_id, external_id;

-- The newest deliveries of every endpoint: an operator's list, what can be replayed, and what is not taken twice.
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id),
  digest TEXT NOT NULL,                  -- of the body
  status TEXT NOT NULL,                  -- accepted | retracted | ignored | refused | duplicate
  reason TEXT,
  is_genuine INTEGER NOT NULL,           -- 0: its signature was not valid; these never push out the others
  has_body INTEGER NOT NULL,             -- 1: deliveries/<endpoint>/<digest> in R2
  received_at INTEGER NOT NULL
);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, is_genuine, id);
CREATE INDEX deliveries_by_digest ON deliveries (endpoint_id, digest);

-- Every comparison that states a pair, whichever carries it: when that one is taken back, the others are derived again. Before, only
-- the first was kept.
CREATE TABLE pair_statements (
  pair_id TEXT NOT NULL,
  comparison_id TEXT NOT NULL REFERENCES comparisons (id),
  PRIMARY KEY (pair_id, comparison_id)
) WITHOUT ROWID;

INSERT INTO pair_statements SELECT id, comparison_id FROM pairs;
