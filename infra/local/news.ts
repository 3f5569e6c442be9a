// What happens in a system that serves, a line each: pairs that arrive; runs that start, wait, train and are decided. Asked for by a
// few small calls every few seconds; what happens while the gateway is away is told afterwards.
import { setTimeout as sleep } from "node:timers/promises"
import type { Run } from "#shared/domain/Run.ts"
import { blocks } from "#shared/gates/GateResult.ts"
import { call } from "./http.ts"

const ASK_INTERVAL_MS = 3000

/** Told as a line to people and as it is to programs. */
export type News =
  | { readonly event: "pairs"; readonly arrived: number; readonly ready: number; readonly text: string }
  | { readonly event: "run"; readonly runId: string; readonly state: string; readonly text: string }

export interface Seen {
  readonly readyPairs: number
  readonly runs: ReadonlyMap<string, SeenRun>
}

interface SeenRun {
  /** As it was at the last look; a run that waited, waits until work on its job is seen. */
  readonly state: string
  /** What was seen of its job's work, where it waits. */
  readonly workDone?: string
  /** Every state that it was in. */
  readonly states: ReadonlySet<string>
}

export interface Snapshot {
  readonly readyPairs: number
  readonly runs: readonly Run[]
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const decision = ({ detail: { promote, evaluate } }: Run): string => {
  const accuracy = evaluate === undefined ? "" : `, held-out accuracy ${percent(evaluate.accuracy)}`
  if (promote === undefined) return `done${accuracy}`
  const name = `${promote.name}@${promote.version}`
  if (promote.promoted) return `promoted ${name}${accuracy}`
  const reasons = promote.gates.filter(blocks).map(({ gate, explanation }) => `${gate}: ${explanation}`)
  return `${name} not promoted${accuracy}${reasons.length === 0 ? "" : `; ${reasons.join("; ")}`}`
}

/** What is worth a line: not every step of a training. */
const stateOf = (run: Run): string => {
  if (run.status === "succeeded") return decision(run)
  if (run.status !== "running") return `${run.status} at ${run.step}: ${run.error ?? "no reason given"}`
  if (run.standing !== undefined) return `waits at ${run.step}: ${run.standing}`
  const steps = run.progress?.steps ?? 0
  if (run.step === "train") return steps === 0 ? "ready to train" : `trains, ${steps} steps`
  if (run.step === "compare") return "trained, its answers are compared"
  if (run.step === "evaluate" || run.step === "promote") return "trained, is judged"
  return "started"
}

/** What it is told as when the run was in that state before: its job, or a step that broke, is tried again. */
const againOf = (run: Run, state: string): string => {
  if (run.standing !== undefined || run.status !== "running") return state
  const steps = run.progress?.steps ?? 0
  return run.step === "train" && steps > 0 ? `trains on, ${steps} steps` : `goes on at ${run.step}`
}

const runNews = (run: Run, state: string): News => ({
  event: "run",
  runId: run.id,
  state,
  text: `run ${run.id} (${run.method} on ${run.datasetId}, by ${run.trigger}): ${state}`,
})

const pairNews = (arrived: number, ready: number): News => ({
  event: "pairs",
  arrived,
  ready,
  text: `${arrived > 0 ? `${arrived} pairs arrived` : `${-arrived} pairs were taken back or deleted`}, ${ready} are ready`,
})

/** What is new since the last look, the oldest first, and what has been seen now. Runs that were over at the first look are no news. */
export const newsSince = (seen: Seen | undefined, { readyPairs, runs }: Snapshot): { news: News[]; seen: Seen } => {
  const now = new Map(runs.map((run) => [run.id, seenNow(run, seen?.runs.get(run.id))]))
  const arrived = seen === undefined ? 0 : readyPairs - seen.readyPairs
  const changed = runs.filter((run) =>
    seen === undefined ? run.status === "running" : seen.runs.get(run.id)?.state !== now.get(run.id)!.state,
  )
  const told = (run: Run): string => {
    const { state } = now.get(run.id)!
    return seen?.runs.get(run.id)?.states.has(state) ? againOf(run, state) : state
  }
  return {
    news: [
      ...(arrived === 0 ? [] : [pairNews(arrived, readyPairs)]),
      ...changed.toReversed().map((run) => runNews(run, told(run))),
    ],
    seen: { readyPairs, runs: now },
  }
}

/** How far a job came at a step; nothing before its first pair or step is done or to be done. */
const workOf = ({ step, progress }: Run): string =>
  progress === undefined || progress.steps === 0 ? step : `${step} ${progress.step}/${progress.steps}`

const seenNow = (run: Run, before: SeenRun | undefined): SeenRun => {
  const state = stateOf(run)
  if (before === undefined) return { state, states: new Set([state]), ...waiting(run) }
  // A runner that takes the job up again, to give it back with the same words, is no news.
  const isTakenUp = run.status === "running" && run.standing === undefined && before.workDone === workOf(run)
  if (before.state === state || isTakenUp) return before
  return { state, states: new Set([...before.states, state]), ...waiting(run) }
}

const waiting = (run: Run) => (run.standing === undefined ? {} : { workDone: workOf(run) })

const look = async (url: string, key: string): Promise<Snapshot> => {
  const options = { key, patienceMs: 0 }
  const { pairs } = await call<{ pairs: Readonly<Record<string, number>> }>(url, "GET", "/v1/status", options)
  const { items } = await call<{ items: readonly Run[] }>(url, "GET", "/v1/runs?limit=50", options)
  // A list does not say what a runner is doing.
  const runs = items.map((run) =>
    run.status === "running" ? call<Run>(url, "GET", `/v1/runs/${encodeURIComponent(run.id)}`, options) : run,
  )
  return { readyPairs: pairs.ready ?? 0, runs: await Promise.all(runs) }
}

/** Tells until the signal. The first look tells only what is under way. */
export const tellNews = async (
  { url, operatorKey }: { readonly url: string; readonly operatorKey: string },
  tell: (news: News) => void,
  signal: AbortSignal,
): Promise<void> => {
  for (let seen: Seen | undefined; !signal.aborted; ) {
    const now = await look(url, operatorKey).catch(() => undefined)
    if (now !== undefined) {
      const told = newsSince(seen, now)
      seen = told.seen
      for (const news of told.news) tell(news)
    }
    await sleep(ASK_INTERVAL_MS, undefined, { ref: false, signal }).catch(() => undefined)
  }
}
