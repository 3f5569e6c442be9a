-- Several labellers of one pair, and verdicts on one response.

ALTER TABLE datasets ADD COLUMN split_votes TEXT;     -- drop | majority | weight; NULL = majority (shared/domain/SplitVotes.ts)
ALTER TABLE datasets ADD COLUMN deriving TEXT;        -- JSON: how far the derivation for another length has come; NULL = none is under way

-- Both directions of a contradicted pair were trained on until now. No pair leaves a dataset unasked: both stay, weighed.
UPDATE datasets SET split_votes = 'weight';

-- Labellers whose newest statement is the pair, or its opposite: the same responses in the other order. −1, in a transaction only: to be counted.
ALTER TABLE pairs ADD COLUMN votes_for INTEGER NOT NULL DEFAULT 1;
ALTER TABLE pairs ADD COLUMN votes_against INTEGER NOT NULL DEFAULT 0;
-- 0: a pair. 1 and -1: a verdict on one response, desirable (its rejected response is empty) or not (its chosen one is).
ALTER TABLE pairs ADD COLUMN side INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pairs ADD COLUMN prompt_digest TEXT;      -- of a verdict's prompt, by its ids; NULL of a pair

CREATE INDEX datasets_deriving ON datasets (id) WHERE deriving IS NOT NULL;
CREATE INDEX pairs_to_count ON pairs (id) WHERE votes_for < 0;
CREATE INDEX pairs_by_responses ON pairs (chosen_digest, rejected_digest);
CREATE INDEX pairs_by_prompt ON pairs (dataset_id, prompt_digest, side, id, votes_for, votes_against, split) WHERE side <> 0 AND status = 'ready';

-- What snapshots and counts read of a pair, without its row.
DROP INDEX pairs_by_dataset;
CREATE INDEX pairs_by_dataset ON pairs (dataset_id, status, id, split, side, votes_for, votes_against, created_at);

-- The statements that stand, each with what its comparison says of the pair: whichever carries it.
ALTER TABLE pair_statements ADD COLUMN weight REAL;
ALTER TABLE pair_statements ADD COLUMN chosen_candidate TEXT;
ALTER TABLE pair_statements ADD COLUMN rejected_candidate TEXT;
CREATE INDEX IF NOT EXISTS pair_statements_by_comparison ON pair_statements (comparison_id);

DELETE FROM pair_statements WHERE comparison_id IN
  (SELECT id FROM comparisons WHERE status NOT IN ('received', 'paired', 'dropped', 'parked'));
UPDATE pair_statements SET weight = p.weight, chosen_candidate = p.chosen_candidate, rejected_candidate = p.rejected_candidate
  FROM pairs p WHERE p.id = pair_id AND p.comparison_id = pair_statements.comparison_id;

-- What the others say of their pairs was not kept: they are derived once more, from what is stored.
INSERT INTO outbox (comparison_id, created_at)
  SELECT DISTINCT s.comparison_id, c.received_at FROM pair_statements s JOIN comparisons c ON c.id = s.comparison_id
   WHERE s.weight IS NULL AND c.status IN ('paired', 'dropped')
  ON CONFLICT (comparison_id) DO NOTHING;
UPDATE comparisons SET status = 'received', processed_at = NULL
 WHERE status IN ('paired', 'dropped') AND id IN (SELECT comparison_id FROM pair_statements WHERE weight IS NULL);

-- Pairs that several state, or whose opposite is stated too, are counted; as shared/judgement/pair-votes.ts does from now on.
UPDATE pairs SET votes_for = 0 WHERE status <> 'ready';
UPDATE pairs SET votes_for = -1 WHERE id IN
  (SELECT pair_id FROM pair_statements GROUP BY pair_id HAVING count(*) > 1
   UNION SELECT a.id FROM pairs a JOIN pairs b ON b.chosen_digest = a.rejected_digest AND b.rejected_digest = a.chosen_digest
          WHERE b.dataset_id = a.dataset_id AND a.token_ids IS NOT NULL AND a.status = 'ready' AND b.status = 'ready');
WITH stale AS (SELECT id, dataset_id, comparison_id, chosen_digest, rejected_digest, token_ids
                 FROM pairs WHERE votes_for < 0),
sides AS (SELECT id, id AS stated, comparison_id AS carrier FROM stale
          UNION ALL SELECT stale.id, other.id, NULL FROM stale CROSS JOIN pairs other ON 
other.chosen_digest = stale.rejected_digest AND other.rejected_digest = stale.chosen_digest
AND other.dataset_id = stale.dataset_id AND stale.token_ids IS NOT NULL),
said AS (SELECT sides.id, sides.stated = sides.id AS is_for, s.weight, coalesce(c.source || char(10) || c.endpoint_id || char(10) || c.annotator, c.id) AS labeller,
                iif(sides.stated = sides.id, s.comparison_id, NULL) AS states,
                iif(s.comparison_id = sides.carrier, s.comparison_id, NULL) AS carries,
                rank() OVER (PARTITION BY sides.id, coalesce(c.source || char(10) || c.endpoint_id || char(10) || c.annotator, c.id)
                             ORDER BY 
iif(c.labelled_at <= c.received_at + 86400000, c.labelled_at, c.received_at) DESC, c.received_at DESC, c.rowid DESC) = 1 AS is_newest
           FROM sides CROSS JOIN pair_statements s ON s.pair_id = sides.stated CROSS JOIN comparisons c ON c.id = s.comparison_id),
labellers AS (SELECT id, max(carries) AS carries, min(states) AS states,
                     max(is_newest AND is_for) AS says_so, max(is_newest AND NOT is_for) AS says_opposite,
                     avg(weight) FILTER (WHERE is_newest AND is_for) AS weight
                FROM said GROUP BY id, labeller),
counted AS (SELECT id, coalesce(max(carries), min(states)) AS carrier,
                   sum(says_so > says_opposite) AS votes_for, sum(says_so < says_opposite) AS votes_against,
                   avg(weight ORDER BY weight) FILTER (WHERE says_so > says_opposite) AS weight
              FROM labellers GROUP BY id),
found AS (SELECT stale.id AS pair_id, carrier, coalesce(votes_for, 0) AS votes, coalesce(votes_against, 0) AS against,
                 counted.weight AS mean_weight, carrying.task AS its_task,
                 s.chosen_candidate AS chosen, s.rejected_candidate AS rejected
            FROM stale LEFT JOIN counted ON counted.id = stale.id
                 LEFT JOIN comparisons carrying ON carrying.id = carrier AND carrier <> stale.comparison_id
                 LEFT JOIN pair_statements s ON s.pair_id = stale.id AND s.comparison_id = carrying.id)
UPDATE pairs SET
       votes_for = votes, votes_against = against, weight = coalesce(mean_weight, weight),
       comparison_id = coalesce(carrier, comparison_id),
       task = iif(carrier = comparison_id OR carrier IS NULL, task, its_task),
       chosen_candidate = iif(carrier = comparison_id OR carrier IS NULL, chosen_candidate, chosen),
       rejected_candidate = iif(carrier = comparison_id OR carrier IS NULL, rejected_candidate, rejected),
       status = CASE WHEN carrier IS NULL THEN 'retracted' WHEN token_ids IS NULL THEN 'dropped'
                     WHEN votes = 0 THEN 'retracted' ELSE 'ready' END,
       reason = CASE WHEN carrier IS NULL THEN 'no judgement states it any more' WHEN token_ids IS NULL THEN reason
                     WHEN votes = 0 THEN 'who said so says the opposite by now' END
  FROM found WHERE id = pair_id;
