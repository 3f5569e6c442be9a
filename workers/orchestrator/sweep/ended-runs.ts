// What runs and evaluations that ended leave behind: their journal and jobs go after a month, their metrics, which are the record of a run, after a year. Runs are
// taken in the order of their ends, so that a note of the last one says what was done.
import { type Environment, poolOf } from "../Environment.ts"
import { count } from "./counters.ts"

const RUNS_AT_ONCE = 50

export interface EndedRun {
  readonly id: string
  readonly updated_at: number
}

/** The next runs and evaluations that ended before a time, after one of them. */
const runsEnded = async (db: D1Database, before: number, after: EndedRun): Promise<readonly EndedRun[]> => {
  const { results } = await db
    .prepare(
      `SELECT id, updated_at FROM runs WHERE status <> 'running' AND updated_at < ?1 AND (updated_at, id) > (?2, ?3)
       UNION ALL
       SELECT id, updated_at FROM evaluations WHERE status <> 'running' AND updated_at < ?1 AND (updated_at, id) > (?2, ?3)
        ORDER BY updated_at, id LIMIT ?4`,
    )
    .bind(before, after.updated_at, after.id, RUNS_AT_ONCE)
    .all<EndedRun>()
  return results
}

type Forget = (env: Environment, run: EndedRun) => Promise<boolean>

const KINDS = {
  journals: {
    counter: "runs_forgotten",
    forget: async (env, { id }) => {
      await poolOf(env).forgetJobs(id)
      await env.WORKFLOW_RUN.getByName(id).forget()
      return true
    },
  },
  metrics: { counter: "metrics_forgotten", forget: (env, { id }) => poolOf(env).forgetMetrics(id) },
} as const satisfies Readonly<
  Record<string, { readonly counter: "runs_forgotten" | "metrics_forgotten"; readonly forget: Forget }>
>

export type Forgotten = keyof typeof KINDS

const FIRST: EndedRun = { id: "", updated_at: -1 }

/** Forgets that of the next runs which ended before a time. True: others may be left. */
export const forgetEnded = async (
  env: Environment,
  storage: Pick<DurableObjectStorage, "get" | "put">,
  what: Forgotten,
  before: number,
): Promise<boolean> => {
  const { counter, forget } = KINDS[what]
  const note = `forgotten ${what}`
  const runs = await runsEnded(env.DB, before, (await storage.get<EndedRun>(note)) ?? FIRST)
  for (const run of runs) {
    // Of many steps: the rest at the next event.
    if (!(await forget(env, run))) return true
    await storage.put(note, run)
    await count(env.DB, counter, 1).run()
  }
  return runs.length === RUNS_AT_ONCE
}
