// This engine beside other systems, in one run: node test/bench/peers/compare.ts [--only matmul,attention,log-probs,step]
// [--systems TEXT,…] [--rounds COUNT] [--json FILE] [--smoke]. Peers are installed on demand into a cache folder (install/), each runs in
// a process of its own that stands still while another is measured, and rounds alternate: A B C A B C. Results are checked.
// `--systems` keeps those whose name contains one of the texts; `--smoke` takes tiny sizes, which say nothing about speed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { partsOf, refuse, scriptOptions } from "../script-options.ts"
import { CannotRun } from "./install/cannot-run.ts"
import { ANCHOR } from "./llama-model.ts"
import { type Contender, type Limits, measureTask, type Referee, type TaskResult } from "./measure.ts"
import { taskTable } from "./report/table.ts"
import { SystemProcess } from "./system-process.ts"
import { OURS, OURS_F32, SYSTEMS, type System, TORCH } from "./systems.ts"
import { attentionTask, matmulTask, modelTasks } from "./task-inputs.ts"
import type { LlamaSizes, ModelTask, Task } from "./tasks.ts"

const LIMITS: Limits = { rounds: 5, systemMs: 20_000, prepareTimeoutMs: 240_000, roundTimeoutMs: 60_000 }
const MATMULS = [
  [512, 512, 512],
  [1024, 1024, 1024],
  [1024, 1536, 576],
  [1024, 576, 1536],
] as const
const SMOKE_SIZES: LlamaSizes = {
  ...ANCHOR,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 1,
  head_dim: 16,
  vocab_size: 128,
}

function allTasks(folder: string, isSmoke: boolean): Task[] {
  if (isSmoke) {
    return [
      { ...matmulTask(folder, 32, 64, 48), repeats: 1 },
      attentionTask(folder, { sequences: 1, heads: 2, length: 32, headSize: 16 }),
      ...modelTasks(folder, SMOKE_SIZES, 2, 16),
    ]
  }
  return [
    ...MATMULS.map(([rows, inner, columns]) => matmulTask(folder, rows, inner, columns)),
    attentionTask(folder, { sequences: 4, heads: 4, length: 256, headSize: 64 }),
    attentionTask(folder, { sequences: 1, heads: 4, length: 2048, headSize: 64 }),
    ...modelTasks(folder, ANCHOR, 4, 256),
  ]
}

/** Starts systems when they are first needed, and again after they have ended; remembers why one cannot run. */
class SystemPool {
  readonly #processes = new Map<System, SystemProcess>()
  readonly #reasons = new Map<System, string>()

  async contender(system: System): Promise<Contender> {
    const { name } = system
    const known = this.#processes.get(system)
    if (known && !known.hasEnded) return { name, process: known }
    const reason = this.#reasons.get(system)
    if (reason !== undefined) return { name, process: reason }
    try {
      const process = new SystemProcess(await system.command())
      this.#processes.set(system, process)
      return { name, process }
    } catch (error) {
      if (!(error instanceof CannotRun)) throw error
      this.#reasons.set(system, error.message)
      return { name, process: error.message }
    }
  }

  end(): void {
    for (const process of this.#processes.values()) process.end()
  }
}

/** PyTorch's loss and gradient norm where it can be had, else this engine's own in f32: in a process apart from the measured one. */
async function refereeOf(pool: SystemPool): Promise<{ readonly name: string; readonly referee: Referee }> {
  const candidates = [{ ...TORCH }, { ...OURS_F32 }]
  for (const system of candidates) {
    const { process } = await pool.contender(system)
    if (typeof process === "string") continue
    const known = new Map<string, ReturnType<Referee>>()
    const referee = (task: ModelTask, share: number) => {
      const sequences = Math.round(task.sequences * share)
      const key = JSON.stringify([task.kind, task.train, sequences])
      const asked =
        known.get(key) ??
        process.prepare({ ...task, sequences }, LIMITS.prepareTimeoutMs).then(async ({ found }) => {
          await process.release()
          return found
        })
      known.set(key, asked)
      return asked
    }
    return { name: system.name, referee }
  }
  throw new CannotRun("nothing can tell the right loss")
}

function keeps(only: readonly string[] | undefined, text: string): boolean {
  return only === undefined || only.some((part) => text.toLowerCase().includes(part))
}

const given = scriptOptions({
  only: { type: "string" },
  systems: { type: "string" },
  rounds: { type: "string", default: `${LIMITS.rounds}` },
  json: { type: "string" },
  smoke: { type: "boolean", default: false },
})
const limits = { ...LIMITS, rounds: Number(given.rounds) }
if (!Number.isSafeInteger(limits.rounds) || limits.rounds < 1) {
  refuse(`--rounds ${given.rounds} is no whole number of at least 1`)
}
const wantedKinds = partsOf("only", given.only, OURS.kinds)
const wantedSystems = partsOf(
  "systems",
  given.systems,
  SYSTEMS.map(({ name }) => name),
)
const folder = mkdtempSync(path.join(os.tmpdir(), "yohaku-compare-"))
const pool = new SystemPool()
const startedAt = performance.now()
try {
  const tasks = allTasks(folder, given.smoke).filter(({ kind }) => keeps(wantedKinds, kind))
  const systems = SYSTEMS.filter((system) => system === OURS || keeps(wantedSystems, system.name))
  const { name: refereeName, referee } = await refereeOf(pool)
  const machine = `${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} cores, load ${os.loadavg()[0]!.toFixed(1)}`
  console.log(`${new Date().toISOString().slice(0, 10)}, ${machine}; losses are checked against ${refereeName}\n`)
  const results: TaskResult[] = []
  for (const task of tasks) {
    const contenders: Contender[] = []
    for (const system of systems) if (system.kinds.includes(task.kind)) contenders.push(await pool.contender(system))
    const result = await measureTask(task, contenders, referee, limits, (text) => console.error(text))
    results.push(result)
    console.log(taskTable(result))
  }
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  console.log(`${seconds} s; load at the end ${os.loadavg()[0]!.toFixed(1)}`)
  if (given.json) {
    const environment = { date: new Date().toISOString(), machine, node: process.version, refereeName, seconds }
    writeFileSync(given.json, `${JSON.stringify({ environment, limits, results }, null, 2)}\n`)
  }
} finally {
  pool.end()
  rmSync(folder, { recursive: true })
}
