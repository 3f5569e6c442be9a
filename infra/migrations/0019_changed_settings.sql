-- How often a dataset's settings were changed: a change that was decided by others than there are now is decided anew.
ALTER TABLE datasets ADD COLUMN settings_version INTEGER NOT NULL DEFAULT 0;
