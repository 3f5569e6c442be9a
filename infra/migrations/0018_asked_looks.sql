-- How often look_due_at was written: a look that began before the last time clears nothing.
ALTER TABLE datasets ADD COLUMN look_version INTEGER NOT NULL DEFAULT 0;
