// Pairs of a dataset made again from its stored comparisons, after its maxLength changed: what was too long, or is now. Comparisons go into the
// outbox once more, some pairs at a time; how far it has come stands in the dataset's row, written in the same transaction, so that a kill
// loses nothing. Nobody is asked again.

/** Looked at in one transaction: its statements stay far below D1's 30 s. */
const PAIRS_AT_ONCE = 2000

/** Pairs in these states, one after the other; of a retracted one somebody may still say both directions. */
const STATES = ["dropped", "ready", "retracted"] as const

/** How far it has come: in `datasets.deriving`. */
interface Position {
  readonly startedAt: number
  /** An index of STATES. */
  readonly state: number
  /** The last pair that was looked at. */
  readonly after: string
}

/** Where a derivation begins. */
export const beginDerivation = (now: number): string => encode({ startedAt: now, state: 0, after: "" })

const encode = (position: Position): string => JSON.stringify(position)

/** When it began. */
export const derivationOf = (deriving: string): { readonly startedAt: number } => {
  const { startedAt } = JSON.parse(deriving) as Position
  return { startedAt }
}

interface Row {
  readonly id: string
  readonly is_concerned: number
}

const SELECT = `
  SELECT id, iif(token_ids IS NULL, reason = 'over-length',
                 prompt_tokens + max(chosen_tokens, rejected_tokens) > ?4) AS is_concerned
    FROM pairs WHERE dataset_id = ?1 AND status = ?2 AND id > ?3 ORDER BY id LIMIT ${PAIRS_AT_ONCE}`

const STATED = "SELECT comparison_id FROM pair_statements WHERE pair_id IN (SELECT value FROM json_each(?1))"

const ENQUEUE = `
  INSERT OR IGNORE INTO outbox (comparison_id, created_at)
  SELECT id, ?2 FROM comparisons WHERE id IN (${STATED}) AND status IN ('paired', 'dropped')`

const RECEIVE = `
  UPDATE comparisons SET status = 'received', processed_at = NULL
   WHERE id IN (${STATED}) AND status IN ('paired', 'dropped')`

/** Where it goes on; null at its end. */
const next = ({ startedAt, state }: Position, rows: readonly Row[]): string | null => {
  const isFull = rows.length === PAIRS_AT_ONCE
  if (isFull) return encode({ startedAt, state, after: rows.at(-1)!.id })
  return state + 1 < STATES.length ? encode({ startedAt, state: state + 1, after: "" }) : null
}

/** The next step of one dataset that is derived again; false where none is. */
export const deriveAgain = async (db: D1Database): Promise<boolean> => {
  const dataset = await db
    .prepare("SELECT id, max_length, deriving FROM datasets WHERE deriving IS NOT NULL AND deleted_at IS NULL LIMIT 1")
    .first<{ id: string; max_length: number; deriving: string }>()
  if (dataset === null) return false
  const position = JSON.parse(dataset.deriving) as Position
  const { results } = await db
    .prepare(SELECT)
    .bind(dataset.id, STATES[position.state], position.after, dataset.max_length)
    .all<Row>()
  const ids = JSON.stringify(results.filter(({ is_concerned }) => is_concerned === 1).map(({ id }) => id))
  await db.batch([
    db.prepare(ENQUEUE).bind(ids, position.startedAt),
    db.prepare(RECEIVE).bind(ids),
    // Another length that was set meanwhile begins anew.
    db
      .prepare("UPDATE datasets SET deriving = ?1 WHERE id = ?2 AND deriving = ?3")
      .bind(next(position, results), dataset.id, dataset.deriving),
  ])
  return true
}
