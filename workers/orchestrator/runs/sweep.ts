// Finds runs that make no progress and sees to it that they run: an execution whose alarm was lost is otherwise silent for
// ever. Called by the pool's alarm every minute while a run is not over, and by whoever looks at a run that stands.
import { Effect } from "effect"
import type { Environment } from "../Environment.ts"
import { datasetsToLookAt } from "./automatic.ts"
import { lookNow } from "./threshold.ts"

export const STANDING_MS = 120_000
const RUNS_PER_SWEEP = 50
/** A look takes some eight calls, and an event may make 10 000. */
const DATASETS_PER_PAGE = 200
const DATASETS_AT_ONCE = 4
/** A dataset at which the look broke is looked at again after this long. */
const LOOK_AGAIN_MS = 60_000

/** When a dataset is to be looked at next, where time alone may change something. What is in its way is its own, and told there. */
const lookAt = async (env: Environment, id: string): Promise<readonly number[]> => {
  const again = (why: unknown) => {
    console.warn(`no run of "${id}" could be started: ${why instanceof Error ? why.message : why}`)
    return [Date.now() + LOOK_AGAIN_MS]
  }
  try {
    const looked = await lookNow(env, id)
    if (!looked.ok) return again(looked.error.message)
    return looked.value.lookAt === undefined ? [] : [looked.value.lookAt]
  } catch (cause) {
    return again(cause)
  }
}

export interface SweptPage {
  /** When datasets of this page are to be looked at next. */
  readonly times: readonly number[]
  /** The last dataset looked at, where others may come after it. */
  readonly last?: string
}

/** Starts automatic runs that are due without a new pair, of the datasets that come after one in the order of their ids. */
export const sweepAutomatic = async (
  env: Environment,
  after = "",
  pageSize = DATASETS_PER_PAGE,
): Promise<SweptPage> => {
  const ids = await datasetsToLookAt(env.DB, after, pageSize)
  const look = (id: string) => Effect.promise(() => lookAt(env, id))
  const times = (await Effect.runPromise(Effect.forEach(ids, look, { concurrency: DATASETS_AT_ONCE }))).flat()
  return ids.length < pageSize ? { times } : { times, last: ids.at(-1)! }
}

interface Round {
  /** The last dataset that was looked at. */
  readonly after: string
  /** When the first of those so far is to be looked at next. */
  readonly soonest: number
}
const FIRST_PAGE: Round = { after: "", soonest: Number.POSITIVE_INFINITY }

/**
 * The next page of a round, which the storage keeps, so that every dataset has its turn however many there are. Resolves to when the first
 * is to be looked at next, infinity where none is; undefined while pages are left.
 */
export const sweepNextPage = async (env: Environment, storage: DurableObjectStorage): Promise<number | undefined> => {
  const round = (await storage.get<Round>("sweepRound")) ?? FIRST_PAGE
  const { times, last } = await sweepAutomatic(env, round.after)
  const soonest = Math.min(round.soonest, ...times)
  if (last === undefined) await storage.delete("sweepRound")
  else await storage.put<Round>("sweepRound", { after: last, soonest })
  return last === undefined ? soonest : undefined
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

/** A row whose execution was never stored cannot go on: it is ended for good, also where one begins at this moment. */
export const wakeRun = async ({ DB, WORKFLOW_RUN }: Pick<Environment, "DB" | "WORKFLOW_RUN">, id: string) => {
  const isKnown = await WORKFLOW_RUN.getByName(id).wake()
  if (isKnown) return
  await DB.prepare("UPDATE runs SET status = 'failed', error = ?, updated_at = ? WHERE id = ? AND status = 'running'")
    .bind("the run's journal is gone; trigger it again under another key", Date.now(), id)
    .run()
  await WORKFLOW_RUN.getByName(id).cancel()
}
