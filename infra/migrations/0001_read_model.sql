-- The read model (D1). Every timestamp is milliseconds since the Unix epoch; every digest is lower-case SHA-256 hex.
-- Rows written by the same request are written in one batch(), which D1 runs as one transaction.

CREATE TABLE api_keys (
  key_id TEXT PRIMARY KEY,
  secret_hash TEXT NOT NULL,             -- HMAC-SHA-256(pepper, secret), hex: the secret itself is never stored
  scopes TEXT NOT NULL,                  -- JSON array of scope names
  label TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
);

CREATE TABLE idempotency (
  key_id TEXT NOT NULL,                  -- the API key that sent the request
  idempotency_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,             -- digest of method, path and body
  status INTEGER NOT NULL,
  body TEXT NOT NULL,                    -- the answer, replayed byte for byte
  created_at INTEGER NOT NULL,
  PRIMARY KEY (key_id, idempotency_key)
);

CREATE TABLE datasets (
  id TEXT PRIMARY KEY,                   -- slug: [a-z0-9-]{1,64}
  reference_model TEXT NOT NULL,         -- models.name of the base model whose tokenizer and log-probs this dataset uses
  reference_version INTEGER NOT NULL,
  max_length INTEGER NOT NULL,           -- tokens, prompt plus the longer response
  retrain_threshold INTEGER,             -- start Retrain when this many ready pairs are new since the last run; NULL = never
  retrain_config TEXT NOT NULL,          -- JSON: training options of a started run (shared/domain/TrainConfig.ts)
  created_at INTEGER NOT NULL
);

CREATE TABLE webhook_endpoints (
  id TEXT PRIMARY KEY,                   -- part of the URL: /v1/webhooks/{source}/{id}
  dataset_id TEXT NOT NULL REFERENCES datasets (id),
  source TEXT NOT NULL,                  -- argilla | label-studio | retrain
  secrets TEXT NOT NULL,                 -- JSON array of AES-GCM sealed secrets, newest first (two live ones allow rotation)
  mapping TEXT NOT NULL,                 -- JSON: which fields hold prompt and responses
  created_at INTEGER NOT NULL
);

CREATE TABLE comparisons (
  id TEXT PRIMARY KEY,                   -- digest of dataset, source, external id and content digest
  dataset_id TEXT NOT NULL REFERENCES datasets (id),
  source TEXT NOT NULL,                  -- api | argilla | label-studio
  external_id TEXT NOT NULL,
  annotator TEXT,
  task TEXT,
  judgement_kind TEXT NOT NULL,          -- choice | tie | ranking | rating | strength
  payload_digest TEXT NOT NULL,          -- blobs/<digest> in R2: JSON Lines of normalised comparisons
  payload_line INTEGER NOT NULL,         -- zero-based line in that blob
  status TEXT NOT NULL,                  -- received | paired | dropped | superseded | retracted
  reason TEXT,                           -- why it was dropped
  labelled_at INTEGER,
  received_at INTEGER NOT NULL,
  processed_at INTEGER
);
CREATE INDEX comparisons_by_dataset ON comparisons (dataset_id, received_at, id);
CREATE INDEX comparisons_by_external_id ON comparisons (dataset_id, source, external_id);

-- Written with its comparison, removed when the scorer has derived that comparison's pairs: an acknowledged comparison
-- outlives any crash, because whatever is still here is sent again.
CREATE TABLE outbox (
  comparison_id TEXT PRIMARY KEY REFERENCES comparisons (id),
  created_at INTEGER NOT NULL,
  sent_at INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  last_error TEXT
);

CREATE TABLE pairs (
  id TEXT PRIMARY KEY,                   -- digest of dataset, prompt, chosen and rejected
  dataset_id TEXT NOT NULL REFERENCES datasets (id),
  comparison_id TEXT NOT NULL REFERENCES comparisons (id),
  task TEXT,
  status TEXT NOT NULL,                  -- ready | dropped | retracted
  reason TEXT,
  weight REAL NOT NULL,
  split TEXT NOT NULL,                   -- train | held-out, by digest of the prompt alone
  tokenizer_digest TEXT NOT NULL,
  token_ids BLOB,                        -- u32 little-endian, [prompt | chosen | rejected]
  prompt_tokens INTEGER NOT NULL,
  chosen_tokens INTEGER NOT NULL,
  rejected_tokens INTEGER NOT NULL,
  chosen_digest TEXT NOT NULL,           -- response digests: the second half of the reference cache's key
  rejected_digest TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX pairs_by_dataset ON pairs (dataset_id, status, id);
CREATE INDEX pairs_by_comparison ON pairs (comparison_id);

CREATE TABLE scorer_counters (
  name TEXT PRIMARY KEY,                 -- sessions_opened | responses_computed | responses_from_cache
  value INTEGER NOT NULL
);

CREATE TABLE runs (
  id TEXT PRIMARY KEY,                   -- the workflow's execution id
  dataset_id TEXT NOT NULL REFERENCES datasets (id),
  trigger TEXT NOT NULL,                 -- api | webhook | threshold
  method TEXT NOT NULL,                  -- alpha-dpo | simpo | dpo
  status TEXT NOT NULL,                  -- running | succeeded | failed
  step TEXT NOT NULL,                    -- snapshot | score | pack | train | evaluate | promote | done
  detail TEXT NOT NULL,                  -- JSON: what each finished step reported (shared/domain/Run.ts)
  error TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX runs_by_dataset ON runs (dataset_id, created_at, id);

CREATE TABLE models (
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  kind TEXT NOT NULL,                    -- base | adapter
  digest TEXT NOT NULL,                  -- digest of the canonical JSON of `files`
  files TEXT NOT NULL,                   -- JSON: file name -> blob digest
  base_name TEXT,                        -- adapters: the base they were trained on
  base_version INTEGER,
  run_id TEXT,
  metrics TEXT NOT NULL,                 -- JSON
  created_at INTEGER NOT NULL,
  PRIMARY KEY (name, version),
  UNIQUE (name, digest)
);

-- A projection of the Registry Durable Object, which decides; this copy is for listing.
CREATE TABLE channels (
  name TEXT NOT NULL,
  channel TEXT NOT NULL,                 -- candidate | production
  version INTEGER NOT NULL,
  previous_version INTEGER,
  moved_at INTEGER NOT NULL,
  PRIMARY KEY (name, channel)
);
