// What becomes of comparisons whose work is done: their pairs, what they state, their states, and their rows of the outbox. Nothing of it is
// written where the dataset is not as it was when the work began: they go on waiting, and are worked on again.
import { FORGET_STATED, MARK_STATED, UNCOUNTED } from "#shared/judgement/pair-votes.ts"
import { askLook, STARTS_RUNS, UNTOLD_LOOK_MS } from "#shared/wire/asked-look.ts"
import { encodePairTokens } from "#shared/wire/pair-tokens.ts"
import type { Outcome, PairRow, Reference } from "./Outcome.ts"

/** Of a dropped pair. */
const NO_TOKENS = { token_ids: null, prompt_tokens: 0, chosen_tokens: 0, rejected_tokens: 0 }

/** Whether a comparison's dataset is still the one, and of the maxLength, that its pairs were made for: ?1 and ?2. */
const IS_CURRENT = `
  EXISTS (SELECT 1 FROM datasets d WHERE d.id = dataset_id AND d.max_length = ?1 AND d.created_at = ?2)`

/** Of what may still settle. */
const UNSETTLED = `status IN ('received', 'parked') AND ${IS_CURRENT}`

const currentOf = ({ maxLength, createdAt }: Reference) => [maxLength, createdAt] as const

/**
 * A comparison that was superseded or retracted meanwhile writes no pair; one that was parked does, since its work ended after all. A pair
 * that is there already, or whose opposite is, has its votes counted (shared/judgement/pair-votes.ts).
 */
const insertPair = (
  db: D1Database,
  reference: Reference,
  { arrival }: Outcome,
  pair: PairRow,
  now: number,
): D1PreparedStatement => {
  const { tokens } = pair
  const encoded = tokens === undefined ? NO_TOKENS : encodePairTokens(tokens)
  return db
    .prepare(
      `INSERT INTO pairs (id, dataset_id, comparison_id, task, status, reason, weight, split, tokenizer_digest, token_ids,
                          prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest,
                          chosen_candidate, rejected_candidate, side, prompt_digest, created_at, votes_for)
       SELECT ?4, dataset_id, id, task, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
              iif(EXISTS (SELECT 1 FROM pairs WHERE chosen_digest = ?15 AND rejected_digest = ?14), ${UNCOUNTED}, 1)
         FROM comparisons WHERE id = ?3 AND ${UNSETTLED}
       ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, votes_for = ${UNCOUNTED}`,
    )
    .bind(
      ...[...currentOf(reference), arrival.comparisonId],
      ...[pair.id, pair.status, pair.reason, pair.weight, pair.split, pair.tokenizerDigest],
      ...[encoded.token_ids, encoded.prompt_tokens, encoded.chosen_tokens, encoded.rejected_tokens],
      ...[tokens?.chosenDigest ?? "", tokens?.rejectedDigest ?? "", pair.chosenId, pair.rejectedId],
      ...[pair.side ?? 0, pair.promptDigest ?? null, now],
    )
}

/** What the comparison states, whichever carries the pair. */
const noteStatements = (db: D1Database, reference: Reference, { arrival, pairs }: Outcome): D1PreparedStatement =>
  db
    .prepare(
      `INSERT OR REPLACE INTO pair_statements (pair_id, comparison_id, weight, chosen_candidate, rejected_candidate)
       SELECT value ->> 'id', c.id, value ->> 'weight', value ->> 'chosenId', value ->> 'rejectedId'
         FROM json_each(?4), comparisons c WHERE c.id = ?3 AND c.${UNSETTLED}`,
    )
    .bind(
      ...[...currentOf(reference), arrival.comparisonId],
      JSON.stringify(pairs.map(({ tokens: _, ...said }) => said)),
    )

/** What these comparisons stated before they were derived again. */
export const forgetStatements = (
  db: D1Database,
  reference: Reference,
  outcomes: readonly Outcome[],
): D1PreparedStatement[] => {
  const ids = JSON.stringify(outcomes.map(({ arrival }) => arrival.comparisonId))
  const unsettled = `(SELECT id FROM comparisons WHERE id IN (SELECT value FROM json_each(?3)) AND ${UNSETTLED})`
  return [MARK_STATED(unsettled), FORGET_STATED(unsettled)].map((sql) =>
    db.prepare(sql).bind(...currentOf(reference), ids),
  )
}

export const settle = (db: D1Database, reference: Reference, outcome: Outcome, now: number): D1PreparedStatement[] => [
  ...outcome.pairs.map((pair) => insertPair(db, reference, outcome, pair, now)),
  noteStatements(db, reference, outcome),
  db
    .prepare(`UPDATE comparisons SET status = ?4, reason = ?5, processed_at = ?6 WHERE id = ?3 AND ${UNSETTLED}`)
    .bind(...currentOf(reference), outcome.arrival.comparisonId, outcome.status, outcome.reason, now),
]

/**
 * The end of their work, that somebody is to look what it came to, and whether the dataset is still the one that it was done for: the last
 * statement has a row if so. The orchestrator, which is told behind it, looks sooner; where it is away, this is all that is left.
 */
export const finish = (
  db: D1Database,
  reference: Reference,
  outcomes: readonly Outcome[],
  now: number,
): D1PreparedStatement[] => {
  const ids = JSON.stringify(outcomes.map(({ arrival }) => arrival.comparisonId))
  return [
    db
      .prepare(
        `DELETE FROM outbox WHERE comparison_id IN
           (SELECT id FROM comparisons WHERE id IN (SELECT value FROM json_each(?3)) AND ${IS_CURRENT})`,
      )
      .bind(...currentOf(reference), ids),
    db
      .prepare(
        `UPDATE datasets SET ${askLook("min(coalesce(look_due_at, ?4), ?4)")}
          WHERE id = ?3 AND max_length = ?1 AND created_at = ?2 AND ${STARTS_RUNS}`,
      )
      .bind(...currentOf(reference), reference.datasetId, now + UNTOLD_LOOK_MS),
    db
      .prepare("SELECT 1 AS is_current FROM datasets WHERE id = ?3 AND max_length = ?1 AND created_at = ?2")
      .bind(...currentOf(reference), reference.datasetId),
  ]
}
