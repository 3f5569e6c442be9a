// A run's row in the read model. Each write may be repeated: the row is the newest state, not a log.
import type { Run, RunDetail, RunStep } from "#shared/domain/Run.ts"
import { type RunRow, runOfRow } from "#shared/wire/run-row.ts"
import type { RetrainPayload } from "#shared/workflows/retrain.ts"
import { type Environment, poolOf } from "../Environment.ts"
import { lookAfterRun } from "./due-looks.ts"

type RunStart = Pick<RetrainPayload, "datasetId" | "trigger" | "config" | "modelName" | "createdAt" | "ingestWaitMs">

/**
 * Adds the row of a run that starts. False: nothing was added, because its trigger has a run already, or because runs of its fingerprint
 * are under way that are not among those `seen`, and have to be looked at; without `seen` whatever is under way.
 */
export const claimRun = async (
  db: D1Database,
  id: string,
  { datasetId, trigger, config, modelName, createdAt, ingestWaitMs = 0 }: RunStart,
  { fingerprint, seen }: { readonly fingerprint: string; readonly seen: readonly string[] | undefined },
): Promise<boolean> => {
  const { meta } = await db
    .prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at, fingerprint, ingest_wait_ms,
                         model_name)
       SELECT ?1, ?2, ?3, ?4, 'running', 'snapshot', '{}', ?5, ?5, ?6, ?7, ?9
        WHERE NOT EXISTS (SELECT 1 FROM run_triggers WHERE id = ?1)
          AND (?8 IS NULL OR NOT EXISTS (SELECT 1 FROM runs WHERE fingerprint = ?6 AND status = 'running'
                                            AND id NOT IN (SELECT value FROM json_each(?8))))
       ON CONFLICT (id) DO NOTHING`,
    )
    .bind(
      ...[id, datasetId, trigger, String(config.method), createdAt, fingerprint, ingestWaitMs],
      ...[seen === undefined ? null : JSON.stringify(seen), modelName],
    )
    .run()
  return meta.changes > 0
}

/** Remembers that a trigger was answered with another's run. False: it has a run already. */
export const recordAnswer = async (db: D1Database, triggerId: string, runId: string): Promise<boolean> => {
  const { meta } = await db
    .prepare(
      `INSERT INTO run_triggers (id, run_id) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = ?1)
       ON CONFLICT (id) DO NOTHING`,
    )
    .bind(triggerId, runId)
    .run()
  return meta.changes > 0
}

/** The run that this trigger began or was answered with, in whatever state. */
export const findAnswer = async (db: D1Database, triggerId: string): Promise<string | undefined> => {
  const row = await db
    .prepare("SELECT id FROM runs WHERE id = ?1 UNION SELECT run_id FROM run_triggers WHERE id = ?1")
    .bind(triggerId)
    .first<{ id: string }>()
  return row?.id
}

/** Stores what a step reported and says which step is under way now. */
export const recordStep = async <S extends keyof RunDetail>(
  db: D1Database,
  id: string,
  report: { readonly step: S; readonly detail: NonNullable<RunDetail[S]>; readonly next: RunStep },
): Promise<void> => {
  await db
    .prepare(
      `UPDATE runs SET detail = json_set(detail, '$.' || ?, json(?)), step = ?, updated_at = ?
        WHERE id = ? AND status = 'running'`,
    )
    .bind(report.step, JSON.stringify(report.detail), report.next, Date.now(), id)
    .run()
}

/** Says which step is under way now. */
export const recordStepBegun = async (db: D1Database, id: string, step: RunStep): Promise<void> => {
  await db
    .prepare("UPDATE runs SET step = ?, updated_at = ? WHERE id = ? AND status = 'running'")
    .bind(step, Date.now(), id)
    .run()
}

/**
 * Ends the run, if it has not ended, and has its dataset looked at: what came meanwhile may be enough for another. Repeated until it
 * succeeds, also where only the pool did not answer.
 */
const endRun = async (
  env: Pick<Environment, "DB" | "RUNNER_POOL">,
  id: string,
  { set, error }: { readonly set: string; readonly error: string | null },
): Promise<void> => {
  const now = Date.now()
  const end = `UPDATE runs SET ${set}, error = ?1, updated_at = ?2 WHERE id = ?3 AND status = 'running'`
  await env.DB.batch([lookAfterRun(env.DB, id, now), env.DB.prepare(end).bind(error, now, id)])
  await poolOf(env).keepSweeping(now)
}

/** A failed run keeps the step at which it failed. */
export const recordOutcome = (
  env: Pick<Environment, "DB" | "RUNNER_POOL">,
  id: string,
  error: string | undefined,
): Promise<void> =>
  error === undefined
    ? endRun(env, id, { set: "status = 'succeeded', step = 'done'", error: null })
    : endRun(env, id, { set: "status = 'failed'", error })

/** Ends a run that is under way. Whatever of it still goes on changes this row no more. */
export const recordCancellation = (env: Pick<Environment, "DB" | "RUNNER_POOL">, id: string): Promise<void> =>
  endRun(env, id, { set: "status = 'cancelled'", error: "it was cancelled" })

export const findRun = async (db: D1Database, id: string): Promise<Run | undefined> => {
  const row = await db.prepare("SELECT * FROM runs WHERE id = ?").bind(id).first<RunRow>()
  return row === null ? undefined : runOfRow(row)
}
