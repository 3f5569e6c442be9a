-- A trigger is one run for ever, and a dataset says why its automatic runs cannot be started.

-- Triggers that were answered with another trigger's run; one that began a run has that run's id.
CREATE TABLE run_triggers (
  id TEXT PRIMARY KEY,                   -- the execution id of dataset and key
  run_id TEXT NOT NULL
);

ALTER TABLE runs ADD COLUMN ingest_wait_ms INTEGER NOT NULL DEFAULT 0; -- how long its snapshot waits for comparisons before it
ALTER TABLE datasets ADD COLUMN trigger_fault TEXT;   -- why the last look at its automatic runs broke; NULL = it did not

-- What a run calls drift is the k3 estimate that its gate goes by, not the trainer's plain mean of log-ratios.
UPDATE runs SET detail = json_set(json_remove(detail, '$.evaluate.klPerToken'),
                                  '$.evaluate.driftPerToken', json_extract(detail, '$.evaluate.klPerToken'))
 WHERE json_extract(detail, '$.evaluate.klPerToken') IS NOT NULL;
