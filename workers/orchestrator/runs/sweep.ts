// Finds runs that make no progress and sees to it that they run: an execution whose alarm was lost is otherwise silent for
// ever. Called by the pool's alarm every minute while a run is not over or a look is due, and by whoever looks at a run that stands.
import { Effect } from "effect"
import type { Environment } from "../Environment.ts"
import { findDue, findNextLook, LOOK_AGAIN_MS } from "./due-looks.ts"
import { recordOutcome } from "./run-rows.ts"
import { lookNow } from "./threshold.ts"

export const STANDING_MS = 120_000
const RUNS_PER_SWEEP = 50
/** A look takes some eight calls, and an event may make 10 000. */
const DATASETS_PER_PAGE = 200
const DATASETS_AT_ONCE = 4

/** What is in a dataset's way is its own, and told there. */
const look = async (env: Environment, id: string): Promise<void> => {
  const warn = (why: unknown) =>
    console.warn(`no run of "${id}" could be started: ${why instanceof Error ? why.message : why}`)
  try {
    const looked = await lookNow(env, id)
    if (!looked.ok) warn(looked.error.message)
  } catch (cause) {
    warn(cause)
  }
}

/**
 * Starts automatic runs that are due without a new pair, of a page of the datasets whose looks are due. Resolves to when the next look is,
 * infinity where there is none.
 */
export const sweepAutomatic = async (env: Environment, pageSize = DATASETS_PER_PAGE): Promise<number> => {
  const now = Date.now()
  const ids = await findDue(env.DB, now, pageSize)
  const looks = Effect.forEach(ids, (id) => Effect.promise(() => look(env, id)), { concurrency: DATASETS_AT_ONCE })
  await Effect.runPromise(looks)
  const next = await findNextLook(env.DB)
  if (next === null) return Number.POSITIVE_INFINITY
  // What came of its look could not be kept: another at once would fare no better.
  const isStuck = next.dueAt <= now && ids.includes(next.id)
  return isStuck ? now + LOOK_AGAIN_MS : next.dueAt
}

type RunsEnvironment = Pick<Environment, "DB" | "RUNNER_POOL" | "WORKFLOW_RUN">

/** Wakes standing runs; resolves to the number of runs that are not over. */
export const sweepRuns = async (env: RunsEnvironment): Promise<number> => {
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

/** A row whose execution was never stored cannot go on: it is ended for good, also where one begins at this moment. */
export const wakeRun = async (env: RunsEnvironment, id: string) => {
  const isKnown = await env.WORKFLOW_RUN.getByName(id).wake()
  if (isKnown) return
  await recordOutcome(env, id, "the run's journal is gone; trigger it again under another key")
  await env.WORKFLOW_RUN.getByName(id).cancel()
}
