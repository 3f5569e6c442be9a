-- When a dataset is looked at stands in look_due_at alone: each that starts runs is looked at once, which sets what it waits for.
UPDATE datasets SET look_due_at = 0 WHERE retrain_threshold IS NOT NULL;
CREATE INDEX datasets_by_look ON datasets (look_due_at) WHERE look_due_at IS NOT NULL;
