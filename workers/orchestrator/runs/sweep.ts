// Finds runs that make no progress and sees to it that they run: an execution whose alarm was lost is otherwise silent for
// ever. Called by the pool's alarm every minute while a run is not over, and by whoever looks at a run that stands.
import type { Environment } from "../Environment.ts"
import { automaticRuns, datasetsToLookAt } from "./automatic.ts"
import { startAtThreshold } from "./threshold.ts"

export const STANDING_MS = 120_000
const RUNS_PER_SWEEP = 50

/** Starts automatic runs that are due without a new pair; resolves to the times at which others will be. */
export const sweepAutomatic = async (env: Environment): Promise<readonly number[]> => {
  const times = await Promise.all(
    (await datasetsToLookAt(env.DB)).map(async (id) => {
      const started = await startAtThreshold(env, id)
      if (!started.ok) console.warn(`no run of "${id}" could be started: ${started.error.message}`)
      const { repeatAt, startsAt } = (await automaticRuns(env.DB, id)) ?? {}
      return repeatAt ?? startsAt ?? []
    }),
  )
  return times.flat()
}

/** Wakes standing runs; resolves to the number of runs that are not over. */
export const sweepRuns = async (env: Pick<Environment, "DB" | "WORKFLOW_RUN">): Promise<number> => {
  const before = Date.now() - STANDING_MS
  const [running, standing] = await env.DB.batch<{ id: string; runs: number }>([
    env.DB.prepare("SELECT count(*) AS runs FROM runs WHERE status = 'running'"),
    env.DB.prepare("SELECT id FROM runs WHERE status = 'running' AND updated_at < ? ORDER BY random() LIMIT ?").bind(
      before,
      RUNS_PER_SWEEP,
    ),
  ])
  for (const { id } of standing?.results ?? []) await wakeRun(env, id)
  return running?.results[0]?.runs ?? 0
}

/** A row whose execution was never stored cannot go on: it is ended, so that it does not stand in the way. */
export const wakeRun = async ({ DB, WORKFLOW_RUN }: Pick<Environment, "DB" | "WORKFLOW_RUN">, id: string) => {
  const isKnown = await WORKFLOW_RUN.getByName(id).wake()
  if (isKnown) return
  await DB.prepare("UPDATE runs SET status = 'failed', error = ?, updated_at = ? WHERE id = ? AND status = 'running'")
    .bind("the run's journal is gone; trigger it again under another key", Date.now(), id)
    .run()
}
