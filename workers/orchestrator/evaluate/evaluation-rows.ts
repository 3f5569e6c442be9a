// An evaluation's row in the read model. Each write may be repeated: the row is the newest state, not a log. And finding those that stand still.
import type { EvaluationDetail, ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import { type EvaluationRow, evaluationOfRow, type StoredSettings } from "#shared/wire/evaluation-row.ts"
import type { EvaluatePayload } from "#shared/workflows/evaluate.ts"
import type { Environment } from "../Environment.ts"

/** Without progress for so long an execution is woken: its alarm may have been lost. */
export const STANDING_MS = 120_000
const WOKEN_AT_ONCE = 50

/** What was asked for, as it is shown. */
const settingsOf = ({ against, answering, judge }: EvaluatePayload["comparison"]): StoredSettings => ({
  against: against.map(({ model }) => model!),
  ...{ answering, judge: judge.named },
})

/** Adds the row of an evaluation that begins; one that is there stays. */
export const insertEvaluation = async (
  db: D1Database,
  id: string,
  { modelName, version, comparison, createdAt }: EvaluatePayload,
): Promise<void> => {
  await db
    .prepare(
      `INSERT INTO evaluations (id, model_name, version, settings, prompts_digest, status, step, detail, created_at, updated_at)
       VALUES (?1, ?2, ?3, ?4, ?5, 'running', 'generate', '{}', ?6, ?6) ON CONFLICT (id) DO NOTHING`,
    )
    .bind(...[id, modelName, version, JSON.stringify(settingsOf(comparison)), comparison.prompts, createdAt])
    .run()
}

export const findEvaluation = async (db: D1Database, id: string): Promise<ModelEvaluation | undefined> => {
  const row = await db.prepare("SELECT * FROM evaluations WHERE id = ?").bind(id).first<EvaluationRow>()
  return row === null ? undefined : evaluationOfRow(row)
}

/** Stores what a step reported and says which step is under way now. */
export const recordEvaluationStep = async <S extends keyof EvaluationDetail>(
  db: D1Database,
  id: string,
  report: {
    readonly step: S
    readonly detail: NonNullable<EvaluationDetail[S]>
    readonly next: ModelEvaluation["step"]
  },
): Promise<void> => {
  await db
    .prepare(
      `UPDATE evaluations SET detail = json_set(detail, '$.' || ?, json(?)), step = ?, updated_at = ?
        WHERE id = ? AND status = 'running'`,
    )
    .bind(report.step, JSON.stringify(report.detail), report.next, Date.now(), id)
    .run()
}

/** Ends the evaluation, if it has not ended. A failed one keeps the step at which it failed. */
export const recordEvaluationOutcome = async (db: D1Database, id: string, error: string | undefined): Promise<void> => {
  const set = error === undefined ? "status = 'succeeded', step = 'done', error = NULL" : "status = 'failed', error = ?"
  await db
    .prepare(`UPDATE evaluations SET ${set}, updated_at = ? WHERE id = ? AND status = 'running'`)
    .bind(...(error === undefined ? [] : [error]), Date.now(), id)
    .run()
}

/** Ends the evaluation for good, if it has not ended. */
export const recordEvaluationCancellation = async (db: D1Database, id: string): Promise<void> => {
  await db
    .prepare(
      `UPDATE evaluations SET status = 'cancelled', error = 'it was cancelled', updated_at = ? WHERE id = ? AND status = 'running'`,
    )
    .bind(Date.now(), id)
    .run()
}

type Stores = Pick<Environment, "DB" | "WORKFLOW_RUN">

/** A row whose execution was never stored cannot go on: it is ended for good. */
export const wakeEvaluation = async ({ DB, WORKFLOW_RUN }: Stores, id: string): Promise<void> => {
  if (await WORKFLOW_RUN.getByName(id).wake()) return
  await recordEvaluationOutcome(DB, id, "the evaluation's journal is gone; ask for it again under another key")
  await WORKFLOW_RUN.getByName(id).cancel()
}

/** Wakes standing evaluations; resolves to the number of those that are not over. */
export const sweepEvaluations = async (env: Stores): Promise<number> => {
  const [running, standing] = await env.DB.batch<{ id: string; count: number }>([
    env.DB.prepare("SELECT count(*) AS count FROM evaluations WHERE status = 'running'"),
    env.DB.prepare(
      "SELECT id FROM evaluations WHERE status = 'running' AND updated_at < ? ORDER BY random() LIMIT ?",
    ).bind(Date.now() - STANDING_MS, WOKEN_AT_ONCE),
  ])
  for (const { id } of standing?.results ?? []) await wakeEvaluation(env, id)
  return running?.results[0]?.count ?? 0
}
