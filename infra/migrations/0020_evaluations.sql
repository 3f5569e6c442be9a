-- A model's answers held against others' by a judge: an execution of the workflow Evaluate.
CREATE TABLE evaluations (
  id TEXT PRIMARY KEY,
  model_name TEXT NOT NULL,
  version INTEGER NOT NULL,
  settings TEXT NOT NULL,                -- JSON: against whom, judged by whom, answered how
  prompts_digest TEXT NOT NULL,          -- the suite's blob
  status TEXT NOT NULL,                  -- running | succeeded | failed
  step TEXT NOT NULL,
  detail TEXT NOT NULL,                  -- JSON: shared/domain/ModelEvaluation.ts EvaluationDetail
  error TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX evaluations_by_model ON evaluations (model_name, created_at, id);
CREATE INDEX evaluations_running ON evaluations (updated_at) WHERE status = 'running';
CREATE INDEX evaluations_by_end ON evaluations (updated_at, id) WHERE status <> 'running';

-- What a run's candidate is compared by before it is decided about; NULL = by no answers.
ALTER TABLE datasets ADD COLUMN evaluation TEXT; -- JSON: shared/domain/ModelEvaluation.ts EvaluationSettings
