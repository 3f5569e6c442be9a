// When somebody is to look whether a dataset's run is due: `look_due_at` of its row, the one truth, and null where only new pairs change
// anything. Whatever may make a run due without one sets it: a run's end, a time that is waited for, a look that broke or was put off. Only
// a look that began after that clears it, when it has decided. The pool's alarm is set to the earliest.
import { type Environment, poolOf } from "../Environment.ts"

/** A dataset at which the look broke is looked at again after this long. */
export const LOOK_AGAIN_MS = 60_000

const STARTS_RUNS = "retrain_threshold IS NOT NULL AND deleted_at IS NULL"

export interface AskedLook {
  /** Whether the dataset starts no runs by itself. It is asked for every few pairs, so that nothing is counted then. */
  readonly isOff: boolean
  readonly dueAt: number | null
}

/** What a look begins with; undefined where there is no such dataset. */
export const findAskedLook = async (db: D1Database, datasetId: string): Promise<AskedLook | undefined> => {
  const row = await db
    .prepare(
      "SELECT retrain_threshold IS NULL AS isOff, look_due_at AS dueAt FROM datasets WHERE id = ? AND deleted_at IS NULL",
    )
    .bind(datasetId)
    .first<{ isOff: number; dueAt: number | null }>()
  return row === null ? undefined : { isOff: row.isOff === 1, dueAt: row.dueAt }
}

/** Datasets whose looks are due, the one that has been for longest first. */
export const findDue = async (db: D1Database, now: number, limit: number): Promise<readonly string[]> => {
  const { results } = await db
    .prepare(`SELECT id FROM datasets WHERE look_due_at <= ? AND ${STARTS_RUNS} ORDER BY look_due_at, id LIMIT ?`)
    .bind(now, limit)
    .all<{ id: string }>()
  return results.map(({ id }) => id)
}

/** The look that comes first. */
export const findNextLook = (db: D1Database): Promise<{ readonly id: string; readonly dueAt: number } | null> =>
  db
    .prepare(
      `SELECT id, look_due_at AS dueAt FROM datasets WHERE look_due_at IS NOT NULL AND ${STARTS_RUNS} ORDER BY look_due_at, id LIMIT 1`,
    )
    .bind()
    .first()

/** Puts a look off until then: the sweep makes it, also where this isolate ends. */
export const putLookOff = async (env: Environment, datasetId: string, until: number): Promise<void> => {
  await env.DB.prepare(
    `UPDATE datasets SET look_due_at = ?1 WHERE id = ?2 AND ${STARTS_RUNS} AND (look_due_at IS NULL OR look_due_at > ?1)`,
  )
    .bind(until, datasetId)
    .run()
  // Also where nothing changed: the pool may not have answered who changed it.
  await poolOf(env).keepSweeping(until)
}

/**
 * Has the dataset of a run that is under way looked at: before the statement that ends the run, in one batch with it. The time is another
 * than the one that is there, so that a look which saw the run under way does not take it for the one that it was made for.
 */
export const lookAfterRun = (db: D1Database, runId: string, now: number): D1PreparedStatement =>
  db
    .prepare(
      `UPDATE datasets SET look_due_at = ?1 - (look_due_at IS ?1)
        WHERE ${STARTS_RUNS} AND id = (SELECT dataset_id FROM runs WHERE id = ?2 AND status = 'running')`,
    )
    .bind(now, runId)

/** What a look came to: what is in the way of a run, and when the next look is due without a new pair. */
export interface LookNote {
  readonly fault: string | null
  readonly next: number | null
}

/** Keeps what a look came to, which was made for the one that was due at `madeFor`. What was asked for meanwhile, or for later, stays. */
export const noteLook = async (
  env: Environment,
  datasetId: string,
  madeFor: number | null,
  { fault, next }: LookNote,
): Promise<void> => {
  const dueAt = "CASE WHEN look_due_at IS ?3 THEN ?4 ELSE coalesce(min(look_due_at, ?4), look_due_at, ?4) END"
  await env.DB.prepare(
    `UPDATE datasets SET trigger_fault = ?1, look_due_at = ${dueAt}
      WHERE id = ?2 AND (trigger_fault IS NOT ?1 OR look_due_at IS NOT ${dueAt})`,
  )
    .bind(fault, datasetId, madeFor, next)
    .run()
  if (next !== null) await poolOf(env).keepSweeping(next)
}
