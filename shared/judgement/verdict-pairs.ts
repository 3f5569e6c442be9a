// Pairs of verdicts: an answer that was found desirable above one to the same prompt that was not. Whoever said so: production's thumbs are
// many people's. Worked out when a snapshot is taken, so that a verdict that is taken back takes its pair with it.

/** Pairs of one prompt. Each answer is in one at most, so that many thumbs are no more than as many pairs. */
export const MOST_VERDICT_PAIRS = 64

/**
 * A statement of D1 that pairs answers of dataset ?1 to the prompts of the rows ?2 (a JSON list of ids): the n-th desirable one with the n-th that
 * is not, in the order of their ids. `isCounted` is a condition on a row of `pairs`. A prompt is what the model reads, its token ids: then both
 * responses are tokenised and scored as they stand.
 */
export const MATCH_VERDICTS = (isCounted: string) => `
  WITH prompts AS (SELECT DISTINCT prompt_digest AS prompt FROM pairs WHERE id IN (SELECT value FROM json_each(?2))),
  answers AS (SELECT id, prompt, side, votes_for, votes_against,
                     row_number() OVER (PARTITION BY prompt, side ORDER BY id) AS place
                FROM prompts CROSS JOIN pairs ON dataset_id = ?1 AND prompt_digest = prompt
               WHERE side <> 0 AND status = 'ready' AND ${isCounted})
  SELECT up.id AS up, down.id AS down, up.votes_for AS up_for, up.votes_against AS up_against,
         down.votes_for AS down_for, down.votes_against AS down_against
    FROM answers up JOIN answers down ON down.prompt = up.prompt AND down.place = up.place
   WHERE up.side = 1 AND down.side = -1 AND up.place <= ${MOST_VERDICT_PAIRS}`

/** How many pairs that gives of dataset ?1, by split. */
export const COUNT_MATCHED = (isCounted: string) => `
  SELECT split, sum(min(ups, downs, ${MOST_VERDICT_PAIRS})) AS pairs
    FROM (SELECT max(split) AS split, sum(side = 1) AS ups, sum(side = -1) AS downs FROM pairs
           WHERE dataset_id = ?1 AND side <> 0 AND status = 'ready' AND ${isCounted} GROUP BY prompt_digest) GROUP BY split`
