-- When somebody is to look whether the dataset's run is due, since a look that was asked for came too soon after another.
ALTER TABLE datasets ADD COLUMN look_due_at INTEGER;
