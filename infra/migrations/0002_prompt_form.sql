-- Whether prompts are text or conversations is the dataset's, and pairs are named and split by what the model reads
-- (shared/wire/pair-identity.ts, rule 2).

ALTER TABLE datasets ADD COLUMN prompt_form TEXT;     -- text | chat; NULL = chat where the model has a template
ALTER TABLE datasets ADD COLUMN system_text TEXT;     -- before every conversation that has none of its own

ALTER TABLE pairs ADD COLUMN chosen_candidate TEXT;   -- the comparison's candidates: a pair's id is a digest of tokens,
ALTER TABLE pairs ADD COLUMN rejected_candidate TEXT; -- from which its texts cannot be found

-- Pairs of the earlier rule are derived again. Their comparisons are waiting then; log-probs are kept in KV, by tokens.
DELETE FROM pairs;
INSERT INTO outbox (comparison_id, created_at)
  SELECT id, received_at FROM comparisons WHERE status IN ('paired', 'dropped')
  ON CONFLICT (comparison_id) DO NOTHING;
UPDATE comparisons SET status = 'received', reason = NULL, processed_at = NULL WHERE status IN ('paired', 'dropped');
