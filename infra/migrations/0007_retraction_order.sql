-- Of two that were said and taken back at one time, the one that arrived later counts, where arrival is an order: what the API takes back,
-- and an annotation's version that cannot be used (scope 'version'). NULL: a labelling tool's retraction, which wins a draw.
ALTER TABLE retractions ADD COLUMN heard_at INTEGER;
