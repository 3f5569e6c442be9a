// How many labellers stand by a pair, and how many by its opposite: the same two responses in the other order. The statements of D1 that count
// it, for all workers: a pure function of the judgements that stand (`pair_statements`), whatever order they came in.
import { AHEAD_MS } from "./comparison-faults.ts"

/** When something was said: by the labelling tool's clock, else by ours. A time so far ahead that it is refused today is none. */
export const SAID_AT = (row: string) => `
  iif(${row}.labelled_at <= ${row}.received_at + ${AHEAD_MS}, ${row}.labelled_at, ${row}.received_at)`

/** `votes_for` of a pair that is to be counted; only ever seen inside a transaction. */
export const UNCOUNTED = -1

/** Whether pair `other` is of the responses of `pair` the other way round. A response's digest covers its prompt. */
export const IS_OPPOSITE = (other: string, pair: string) => `
  ${other}.chosen_digest = ${pair}.rejected_digest AND ${other}.rejected_digest = ${pair}.chosen_digest
  AND ${other}.dataset_id = ${pair}.dataset_id AND ${pair}.token_ids IS NOT NULL`

/** Marks the pairs of some comparisons, which a query in brackets names: those that they state, and those that they carry. */
export const MARK_STATED = (comparisons: string) => `
  UPDATE pairs SET votes_for = ${UNCOUNTED}
   WHERE id IN (SELECT pair_id FROM pair_statements WHERE comparison_id IN ${comparisons}
                UNION SELECT id FROM pairs WHERE comparison_id IN ${comparisons})`

export const FORGET_STATED = (comparisons: string) =>
  `DELETE FROM pair_statements WHERE comparison_id IN ${comparisons}`

const MARK_OPPOSITES = `
  UPDATE pairs SET votes_for = ${UNCOUNTED}
   WHERE id IN (SELECT other.id FROM pairs stale CROSS JOIN pairs other ON ${IS_OPPOSITE("other", "stale")}
                 WHERE stale.votes_for < 0)`

/** A person in one tool; a judgement that names nobody is a labeller of its own. */
const LABELLER = "coalesce(c.source || char(10) || c.endpoint_id || char(10) || c.annotator, c.id)"

/**
 * Of what one labeller said of a pair and its opposite the newest counts; where that is both at once, it says nothing. CROSS keeps the order
 * of the joins: without statistics, SQLite would scan all statements.
 */
const COUNT_MARKED = `
  WITH stale AS (SELECT id, dataset_id, comparison_id, chosen_digest, rejected_digest, token_ids
                   FROM pairs WHERE votes_for < 0),
  sides AS (SELECT id, id AS stated, comparison_id AS carrier FROM stale
            UNION ALL SELECT stale.id, other.id, NULL FROM stale CROSS JOIN pairs other ON ${IS_OPPOSITE("other", "stale")}),
  said AS (SELECT sides.id, sides.stated = sides.id AS is_for, s.weight, ${LABELLER} AS labeller,
                  iif(sides.stated = sides.id, s.comparison_id, NULL) AS states,
                  iif(s.comparison_id = sides.carrier, s.comparison_id, NULL) AS carries,
                  rank() OVER (PARTITION BY sides.id, ${LABELLER}
                               ORDER BY ${SAID_AT("c")} DESC, c.received_at DESC, c.rowid DESC) = 1 AS is_newest
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
    FROM found WHERE id = pair_id`

/**
 * Counts the marked pairs, and their opposites. A pair is ready while a vote is for it; its weight is the mean of their weights; another
 * comparison that states it carries it when its carrier does no more.
 */
export const COUNT_VOTES: readonly string[] = [MARK_OPPOSITES, COUNT_MARKED]
