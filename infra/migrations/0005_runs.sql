-- Runs are bounded, an identical trigger is the run that is under way, and a threshold may wait for quiet.

ALTER TABLE datasets ADD COLUMN run_limits TEXT;      -- JSON: shared/domain/RunLimits.ts; NULL = the defaults
ALTER TABLE datasets ADD COLUMN quiet_seconds INTEGER; -- no new pair for so long before the threshold starts a run; NULL = 0

ALTER TABLE runs ADD COLUMN fingerprint TEXT;         -- what is trained, but for the pairs; NULL = never taken for another trigger's
CREATE INDEX runs_by_fingerprint ON runs (fingerprint, status);

ALTER TABLE idempotency ADD COLUMN location TEXT;     -- the header of the answer
