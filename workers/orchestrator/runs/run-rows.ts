// A run's row in the read model. Each write may be repeated: the row is the newest state, not a log.
import type { Run, RunDetail, RunStep } from "#shared/domain/Run.ts"
import { type RunRow, runOfRow } from "#shared/wire/run-row.ts"
import type { RetrainPayload } from "#shared/workflows/retrain.ts"

type RunStart = Pick<RetrainPayload, "datasetId" | "trigger" | "config" | "createdAt">

/** Adds the row of a run that starts; a row that is there stays. */
export const insertRun = async (db: D1Database, id: string, run: RunStart): Promise<void> => {
  await insertion(db, id, run, null).run()
}

/**
 * The same for a run that another may stand for: where runs of its fingerprint are under way that were not looked at, nothing is added,
 * and they have to be. False: nothing was added.
 */
export const claimRun = async (
  db: D1Database,
  id: string,
  run: RunStart,
  { fingerprint, seen }: { readonly fingerprint: string; readonly seen: readonly string[] },
): Promise<boolean> => {
  const { meta } = await insertion(db, id, run, { fingerprint, seen: JSON.stringify(seen) }).run()
  return meta.changes > 0
}

const insertion = (
  db: D1Database,
  id: string,
  { datasetId, trigger, config, createdAt }: RunStart,
  claim: { readonly fingerprint: string; readonly seen: string } | null,
): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at, fingerprint)
       SELECT ?1, ?2, ?3, ?4, 'running', 'snapshot', '{}', ?5, ?5, ?6
        WHERE ?6 IS NULL OR NOT EXISTS (SELECT 1 FROM runs WHERE fingerprint = ?6 AND status = 'running'
                                           AND id NOT IN (SELECT value FROM json_each(?7)))
       ON CONFLICT (id) DO NOTHING`,
    )
    .bind(id, datasetId, trigger, String(config.method), createdAt, claim?.fingerprint ?? null, claim?.seen ?? "[]")

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

/** Ends the run. A failed one keeps the step at which it failed. */
export const recordOutcome = async (db: D1Database, id: string, error: string | undefined): Promise<void> => {
  const set = error === undefined ? "status = 'succeeded', step = 'done', error = NULL" : "status = 'failed', error = ?"
  await db
    .prepare(`UPDATE runs SET ${set}, updated_at = ? WHERE id = ? AND status <> 'cancelled'`)
    .bind(...(error === undefined ? [] : [error]), Date.now(), id)
    .run()
}

/** Ends a run that is under way. Whatever of it still goes on changes this row no more. */
export const recordCancellation = async (db: D1Database, id: string): Promise<void> => {
  await db
    .prepare("UPDATE runs SET status = 'cancelled', error = ?, updated_at = ? WHERE id = ? AND status = 'running'")
    .bind("it was cancelled", Date.now(), id)
    .run()
}

export const findRun = async (db: D1Database, id: string): Promise<Run | undefined> => {
  const row = await db.prepare("SELECT * FROM runs WHERE id = ?").bind(id).first<RunRow>()
  return row === null ? undefined : runOfRow(row)
}
