// When somebody is to look whether a dataset's run is due: `look_due_at` of its row, the one truth, and null where only new pairs change
// anything. Whatever may make a run due sets it: new pairs, a change of the settings, a run's end, a time that is waited for, a look that
// broke or was put off. Only a look that began after all of them clears it, when it has decided. The pool's alarm is at the earliest, or at the minute's sweep before it.
import { askLook, STARTS_RUNS } from "#shared/wire/asked-look.ts"
import { type Environment, poolOf } from "../Environment.ts"

/** A dataset at which the look broke is looked at again after this long. */
export const LOOK_AGAIN_MS = 60_000

export interface AskedLook {
  /** Whether the dataset starts no runs by itself. It is asked for every few pairs, so that nothing is counted then. */
  readonly isOff: boolean
  /** How often looks were asked for until now. */
  readonly version: number
}

/** What a look begins with; undefined where there is no such dataset. */
export const findAskedLook = async (db: D1Database, datasetId: string): Promise<AskedLook | undefined> => {
  const row = await db
    .prepare(
      "SELECT retrain_threshold IS NULL AS isOff, look_version AS version FROM datasets WHERE id = ? AND deleted_at IS NULL",
    )
    .bind(datasetId)
    .first<{ isOff: number; version: number }>()
  return row === null ? undefined : { isOff: row.isOff === 1, version: row.version }
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

/** Has the pool make the next look: also one that was asked for while it could not be told. */
export const keepLooking = async (env: Environment): Promise<void> => {
  const next = await findNextLook(env.DB)
  if (next !== null) await poolOf(env).keepSweeping(next.dueAt)
}

/**
 * Puts a look off until then: the sweep makes it, also where this isolate ends. An earlier time stays, but for one that has passed: a look
 * is perhaps being made for that, before what asks for this one.
 */
export const putLookOff = async (env: Environment, datasetId: string, until: number): Promise<void> => {
  const dueAt = "CASE WHEN look_due_at > ?3 THEN min(look_due_at, ?1) ELSE ?1 END"
  await env.DB.prepare(`UPDATE datasets SET ${askLook(dueAt)} WHERE id = ?2 AND ${STARTS_RUNS}`)
    .bind(until, datasetId, Date.now())
    .run()
  // Also where the time stayed: the pool may not have answered who set it.
  await poolOf(env).keepSweeping(until)
}

/** Has the dataset of a run that is under way looked at: before the statement that ends the run, in one batch with it. */
export const lookAfterRun = (db: D1Database, runId: string, now: number): D1PreparedStatement =>
  db
    .prepare(
      `UPDATE datasets SET ${askLook("?1")}
        WHERE ${STARTS_RUNS} AND id = (SELECT dataset_id FROM runs WHERE id = ?2 AND status = 'running')`,
    )
    .bind(now, runId)

/** What a look came to: what is in the way of a run, and when the next look is due without a new pair. */
export interface LookNote {
  readonly fault: string | null
  readonly next: number | null
}

/**
 * Keeps what a look came to, which began at this version: what was asked for until then it has seen. What was asked for meanwhile stays,
 * also what another look, whose pairs this one had not counted yet, has to wait for.
 */
export const noteLook = async (
  env: Environment,
  datasetId: string,
  version: number,
  { fault, next }: LookNote,
): Promise<void> => {
  const dueAt = "CASE WHEN look_version = ?3 THEN ?4 ELSE coalesce(min(look_due_at, ?4), look_due_at, ?4) END"
  await env.DB.prepare(
    `UPDATE datasets SET trigger_fault = ?1, ${askLook(dueAt)}
      WHERE id = ?2 AND (trigger_fault IS NOT ?1 OR look_due_at IS NOT ${dueAt} OR ?4 IS NOT NULL)`,
  )
    .bind(fault, datasetId, version, next)
    .run()
  if (next !== null) await poolOf(env).keepSweeping(next)
}
