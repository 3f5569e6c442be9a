-- Under which name a run registers what it trains: no base model may take it meanwhile. NULL = a run of before.
ALTER TABLE runs ADD COLUMN model_name TEXT;
CREATE INDEX runs_under_way_by_name ON runs (model_name) WHERE status = 'running';
