// How a running system takes many pairs: node test/bench/many-pairs.ts [--pairs 1000,10000] [--json].
// For each size a dataset of its own, of pairs of some 200 tokens: `yohaku import`, until all are pairs that the edge has scored with a tiny
// model; then a run, which takes its snapshot, finds all log-probs in KV, packs, and is cancelled where a runner would come. Prints each
// stage's time, and the most that each worker's isolate held meanwhile. Ends with 1 where a time grows faster than 1.2 × linearly, an isolate
// holds 100 MB, or a look at one failed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { call } from "#infra/local/http.ts"
import type { DatasetCounts } from "#shared/domain/Dataset.ts"
import type { Run } from "#shared/domain/Run.ts"
import { processorSeconds } from "./load/process-memory.ts"
import { startSystem, stopOnSignal } from "./load/running-system.ts"
import { type WatchedIsolates, watchIsolates } from "./load/workerd-isolates.ts"
import { statedPairs } from "./loop/stated-pairs.ts"
import { writeTinyModel } from "./loop/tiny-model.ts"
import { endAll, printedBy } from "./loop/yohaku.ts"
import { heavyIsolates, linearly, megabytes, secondsText, tooFast } from "./pairs/bounds.ts"
import { countOf, refuse, scriptOptions } from "./script-options.ts"

const given = scriptOptions({
  pairs: { type: "string", default: "1000,10000" },
  json: { type: "boolean", default: false },
})
const sizes = given.pairs.split(",").map((size) => countOf("pairs", size))
if (process.platform !== "linux") refuse("the isolates are found by /proc, which Linux alone has")

const WORKERS = ["yohaku", "yohaku-scorer", "yohaku-orchestrator"]
const LOOK_MS = 1000
const POLL_MS = 50
const ASKED_EVERY_PAIRS_A_MS = 20
/** A small size is measured on so many datasets, of which the median counts. */
const SMALL_PAIRS = 2000
const SMALL_REPETITIONS = 3
const STAGES = ["ingest", "run"] as const
/** A run's steps are seen as often as it is asked for, so that the short ones of a small size may be missed, and are no stages. */
type Seconds = Record<(typeof STAGES)[number] | `${(typeof STAGES)[number]}, ${string}`, number>
type RunSeconds = Record<"run" | `run, ${string}`, number>

const home = mkdtempSync(path.join(tmpdir(), "yohaku-many-pairs-"))
const system = await startSystem()
const stop = async (): Promise<void> => {
  await endAll()
  await system.stop()
  rmSync(home, { recursive: true, force: true })
}
stopOnSignal({ stop })

const get = <A>(route: string): Promise<A> => call<A>(system.url, "GET", route, { key: system.adminKey })
const post = <A>(route: string, body: object): Promise<A> =>
  call<A>(system.url, "POST", route, {
    key: system.adminKey,
    body,
    idempotencyKey: `many${route}${JSON.stringify(body)}`.slice(0, 200),
  })

const environment = { YOHAKU_TOKEN: system.adminKey }

/** Sends the file and waits until every row of it is a pair. To ask how many are takes longer the more there are, and is done less often. */
const ingest = async (datasetId: string, pairs: number, file: string): Promise<void> => {
  await printedBy(["import", "--data", file, "--url", system.url, "--dataset", datasetId], environment)
  for (; ; await sleep(pairs / ASKED_EVERY_PAIRS_A_MS)) {
    const { counts } = await get<{ counts: DatasetCounts }>(`/v1/datasets/${datasetId}`)
    if (counts.waiting === 0 && counts.pairs.ready === pairs) return
  }
}

/** Seconds of the run up to where it waits for a runner, and of its steps. */
const run = async (datasetId: string, pairs: number): Promise<RunSeconds> => {
  const { runId } = await post<{ runId: string }>(`/v1/datasets/${datasetId}/runs`, { config: { method: "dpo" } })
  const fromMs = performance.now()
  const seconds: RunSeconds = { run: 0 }
  let [step, sinceMs]: [string, number] = ["snapshot", fromMs]
  for (; step !== "train"; await sleep(POLL_MS)) {
    const now = await get<Run>(`/v1/runs/${runId}`)
    if (now.status !== "running") throw new Error(`the run of ${datasetId} is ${now.status}: ${now.error}`)
    if (now.step === step) continue
    seconds[`run, ${step}`] = (performance.now() - sinceMs) / 1000
    ;[step, sinceMs] = [now.step, performance.now()]
    const { score } = now.detail
    if (step === "train" && (score?.computed !== 0 || score.fromCache !== 2 * pairs))
      throw new Error(`of ${2 * pairs} responses ${score?.fromCache} were in KV`)
  }
  seconds.run = (performance.now() - fromMs) / 1000
  await post(`/v1/runs/${runId}/cancel`, {})
  return seconds
}

const measureDataset = async (version: number, pairs: number, seed: number): Promise<Seconds> => {
  const datasetId = `many-${pairs}-${seed}`
  const referenceModel = { name: "tiny", version }
  await post("/v1/datasets", { id: datasetId, referenceModel, maxLength: 256 })
  const file = path.join(home, `${datasetId}.jsonl`)
  writeFileSync(file, statedPairs(pairs, seed))
  const [fromMs, fromProcessor] = [performance.now(), processorSeconds(system.processGroup)]
  await ingest(datasetId, pairs, file)
  const ingested = (performance.now() - fromMs) / 1000
  const processor = processorSeconds(system.processGroup) - fromProcessor
  return { ingest: ingested, "ingest, processor": processor, ...(await run(datasetId, pairs)) }
}

interface SizeResult {
  readonly pairs: number
  /** By stage. */
  readonly seconds: Readonly<Record<string, number>>
  /** With steps, of the last dataset of this size. */
  readonly last: Seconds
  /** By worker. */
  readonly peakBytes: Readonly<Record<string, number>>
  /** What may hide a higher peak. */
  readonly unseen: readonly string[]
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const measureSize = async (version: number, pairs: number, watched: WatchedIsolates): Promise<SizeResult> => {
  watched.reset()
  const runs: Seconds[] = []
  const repetitions = pairs <= SMALL_PAIRS ? SMALL_REPETITIONS : 1
  for (let seed = 1; seed <= repetitions; seed++) runs.push(await measureDataset(version, pairs, seed))
  const seconds = Object.fromEntries(STAGES.map((stage) => [stage, median(runs.map((one) => one[stage]))]))
  return { pairs, seconds, last: runs.at(-1)!, peakBytes: watched.peakBytes(), unseen: watched.unseen() }
}

const lineOf = (result: SizeResult, before: SizeResult | undefined): string => {
  const { pairs, seconds, last, peakBytes } = result
  const stages = STAGES.map((stage) => {
    const growth = before === undefined ? "" : `, ${linearly(stage, result, before).toFixed(2)} × linear`
    return `  ${stage} ${secondsText(seconds[stage]!)}, ${((1000 * seconds[stage]!) / pairs).toFixed(2)} ms a pair${growth}`
  })
  const isolates = Object.entries(peakBytes).map(([name, bytes]) => `${name} ${megabytes(bytes)}`)
  const parts = Object.entries(last).filter(([name]) => !STAGES.some((stage) => stage === name))
  const partLines = parts.map(([name, taken]) => `    ${name} ${secondsText(taken)}`)
  return [`${pairs} pairs`, ...stages, ...partLines, `  isolates: ${isolates.join(", ")}`].join("\n")
}

try {
  const model = path.join(home, "model")
  writeTinyModel(model)
  const push = ["model", "push", "--url", system.url, "--name", "tiny", "--model", model]
  const { version } = await printedBy<{ version: number }>(push, environment)
  const watched = await watchIsolates(system.processGroup, { workers: WORKERS, lookMs: LOOK_MS })
  // What is compiled and opened once is no part of the first size.
  await measureDataset(version, 100, 0)
  const results: SizeResult[] = []
  for (const pairs of sizes) {
    results.push(await measureSize(version, pairs, watched))
    if (!given.json) console.log(lineOf(results.at(-1)!, results.at(-2)))
  }
  watched.close()
  const broken = results.flatMap((result, index) => [
    ...heavyIsolates(result.pairs, result.peakBytes),
    ...result.unseen.map((fault) => `${result.pairs} pairs: ${fault}`),
    ...(index === 0 ? [] : tooFast(result, results[index - 1]!)),
  ])
  if (given.json) console.log(JSON.stringify({ results, broken }))
  else for (const bound of broken) console.log(`broken: ${bound}`)
  if (broken.length > 0) process.exitCode = 1
} finally {
  await stop()
}
