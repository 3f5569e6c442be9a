// Measures one task in several systems: each is made ready once, then every round asks each of them in turn. A system whose rounds have
// used up its time drops out of later rounds; one that fails says why and is out.
import {
  checkModel,
  checkPairs,
  checkSamples,
  expectedAttention,
  expectedMatmul,
  type Verdict,
} from "./report/check-result.ts"
import { type Range, rangeOf, ratioOf } from "./report/statistics.ts"
import { type Round, SystemFailed, type SystemProcess } from "./system-process.ts"
import { type Found, type ModelTask, type Task, workOf } from "./tasks.ts"

export interface Limits {
  readonly rounds: number
  /** Time of a system's counted rounds of one task, after which it takes no further ones. */
  readonly systemMs: number
  readonly prepareTimeoutMs: number
  readonly roundTimeoutMs: number
}

export interface MeasuredRow {
  readonly system: string
  readonly firstMs: number
  readonly rounds: readonly Round[]
  /** In the task's unit. */
  readonly rate: Range
  /** How many times the first system is as fast as this one. */
  readonly ratio?: Range
  /** The same by processor time: how many times the work this one does. On a busy machine it is disturbed less. */
  readonly ratioByCpu?: Range
  readonly verdict: Verdict
  readonly note?: string | undefined
}

export type Row = MeasuredRow | { readonly system: string; readonly notRun: string }

export interface TaskResult {
  readonly task: Task
  readonly rows: readonly Row[]
}

export interface Contender {
  readonly name: string
  /** Or why there is none. */
  readonly process: SystemProcess | string
}

/** Loss and gradient norm that are held to be right, for a share of the task's sequences. */
export type Referee = (task: ModelTask, share: number) => Promise<Found>

interface Running {
  readonly name: string
  readonly process: SystemProcess
  readonly firstMs: number
  readonly found: Found
  readonly rounds: Round[]
  failure?: string
}

/** The first contender is what the others are compared with; where it fails, there is nothing to compare with. */
export async function measureTask(
  task: Task,
  contenders: readonly Contender[],
  referee: Referee,
  limits: Limits,
  onProgress: (text: string) => void,
): Promise<TaskResult> {
  const failures = new Map<string, string>()
  const running: Running[] = []
  for (const { name, process } of contenders) {
    onProgress(`${task.name}: ${name} makes ready`)
    try {
      if (typeof process === "string") throw new SystemFailed(process)
      running.push({ name, process, ...(await process.prepare(task, limits.prepareTimeoutMs)), rounds: [] })
    } catch (error) {
      failures.set(name, reason(error))
    }
  }
  await takeRounds(task, running, limits, onProgress)
  const judge = judgeOf(task, referee)
  const first = running.find(({ name, failure }) => name === contenders[0]?.name && failure === undefined)
  const rows: Row[] = []
  for (const { name } of contenders) {
    const one = running.find((system) => system.name === name)
    const notRun = failures.get(name) ?? one?.failure
    if (notRun !== undefined) rows.push({ system: name, notRun })
    else rows.push(await rowOf(task, one!, first, judge))
  }
  for (const { process } of running) await process.release()
  return { task, rows }
}

async function takeRounds(task: Task, running: readonly Running[], limits: Limits, onProgress: (text: string) => void) {
  for (let round = 0; round < limits.rounds; round++) {
    onProgress(`${task.name}: round ${round + 1} of ${limits.rounds}`)
    for (const system of running) {
      const usedMs = system.rounds.reduce((sum, { ms }) => sum + ms, 0)
      if (system.failure !== undefined || usedMs > limits.systemMs) continue
      try {
        system.rounds.push(await system.process.round(limits.roundTimeoutMs))
      } catch (error) {
        system.failure = reason(error)
      }
    }
  }
}

function reason(error: unknown): string {
  if (error instanceof SystemFailed) return error.message.replaceAll("|", "/")
  throw error
}

type Judge = (found: Found) => Promise<Verdict>

function judgeOf(task: Task, referee: Referee): Judge {
  if (task.kind === "pairs") return (found) => Promise.resolve(checkPairs(found))
  if (task.kind === "matmul") {
    const expected = expectedMatmul(task)
    return (found) => Promise.resolve(checkSamples(found, expected, task.tolerance))
  }
  if (task.kind === "attention") {
    const expected = expectedAttention(task)
    return (found) => Promise.resolve(checkSamples(found, expected))
  }
  return async (found) => checkModel(task.kind, found, await referee(task, found.share ?? 1))
}

async function rowOf(task: Task, system: Running, first: Running | undefined, judge: Judge): Promise<MeasuredRow> {
  const rates = ({ found, rounds }: Running, of: keyof Round) =>
    rounds.map((round) => (1000 * workOf(task).amount * (found.share ?? 1)) / round[of])
  const ratio = (of: keyof Round, to: Running) => ratioOf(rates(to, of), rates(system, of))
  return {
    system: system.name,
    firstMs: system.firstMs,
    rounds: system.rounds,
    rate: rangeOf(rates(system, "ms")),
    ...(first && system !== first ? { ratio: ratio("ms", first), ratioByCpu: ratio("cpuMs", first) } : {}),
    verdict: await judge(system.found),
    note: system.found.note,
  }
}
