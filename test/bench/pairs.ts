// How snapshot, scoring, pack and a runner's epoch grow with the number of pairs: node test/bench/pairs.ts [--pairs 1000,10000] [--json].
// The steps' own code runs here, against D1, R2 and KV as the local platform has them; references are in KV already, so that `score` finds
// all and `cut`, of another reference, makes jobs for runners of all. Prints each stage's time and memory, and beside a size its time over ten times (or whatever the sizes are apart) that of the size before: 1 is linear.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { getPlatformProxy } from "wrangler"
import type { NamedModel } from "#gpu-runner/data/model/base-fingerprint.ts"
import { readPack } from "#gpu-runner/data/rows/pack-data.ts"
import { stepOrder } from "#gpu-runner/trainer/rows/step-order.ts"
import { decodeManifest } from "#shared/wire/pack-manifest.ts"
import { countOf, scriptOptions } from "./script-options.ts"
import { measured, type Stage } from "./stage-memory.ts"

const root = path.resolve(import.meta.dirname, "../..")
const given = scriptOptions({
  pairs: { type: "string", default: "1000,10000" },
  json: { type: "boolean", default: false },
})
const sizes = given.pairs.split(",").map((size) => countOf("pairs", size))

interface Result {
  readonly pairs: number
  readonly shards: number
  readonly stages: Readonly<Record<string, Stage>>
}

/** test/workers/orchestrator/pairs/pipeline.ts, which is code of workers and has their types. */
interface Pipeline {
  readonly fingerprint: string
  readonly model: NamedModel
  readonly fill: (datasetId: string, pairs: number) => Promise<void>
  readonly snapshot: (datasetId: string) => Promise<unknown>
  /** What runners are to score: pairs in jobs, and responses that are in KV. */
  readonly cut: (datasetId: string, snapshot: unknown, fingerprint: string) => Promise<{ jobs: number; found: number }>
  readonly pack: (datasetId: string, snapshot: unknown) => Promise<string>
  readonly blob: (digest: string) => Promise<Uint8Array>
}
const PIPELINE: string = "#test/workers/orchestrator/pairs/pipeline.ts"

const openPipeline = async (bindings: unknown): Promise<Pipeline> => {
  const folder = path.join(root, "infra/migrations")
  const migrations = readdirSync(folder)
    .sort()
    .map((file) => readFileSync(path.join(folder, file), "utf8"))
  return (await import(PIPELINE)).openPipeline(bindings, migrations)
}

/** Above every id of the synthetic pairs. */
const VOCABULARY_SIZE = 32_000

/** As a runner's store of blobs has it. */
const fetchPack = async ({ blob }: Pipeline, digest: string, folder: string) => {
  mkdirSync(folder, { recursive: true })
  const keep = async (name: string) => {
    const bytes = await blob(name)
    writeFileSync(path.join(folder, name), bytes)
    return bytes
  }
  const { shards } = decodeManifest(await keep(digest))
  for (const shard of shards) await keep(shard.digest)
  return { manifest: path.join(folder, digest), shards: shards.length }
}

/** Every row of one shuffled epoch, drawn and thrown away. */
const drawEpoch = async (manifest: string, pipeline: Pipeline, onProgress: () => void) => {
  const model = { ...pipeline.model, fingerprint: pipeline.fingerprint, config: { vocabularySize: VOCABULARY_SIZE } }
  const { train } = await readPack(manifest, model, { kind: "pairs", maxLength: 4096 })
  onProgress()
  const order = stepOrder({ rowCount: train.length, batch: 32, epochs: 1, maxSteps: 0, shuffle: true, seed: 1 })
  for (let step = 0; step < order.stepCount; step++) {
    for (const row of order.rowsOf(step)) train.at(row)
    onProgress()
  }
}

const measureSize = async (pipeline: Pipeline, pairs: number, directory: string): Promise<Result> => {
  const datasetId = `pairs-${pairs}`
  await pipeline.fill(datasetId, pairs)
  const snapshot = await measured(() => pipeline.snapshot(datasetId))
  const score = await measured(() => pipeline.cut(datasetId, snapshot.value, pipeline.fingerprint))
  const cut = await measured(() => pipeline.cut(datasetId, snapshot.value, "0".repeat(64)))
  const asked = [score.value, cut.value].map(({ jobs, found }) => [jobs > 0, found])
  const expected = [
    [false, 2 * pairs],
    [true, 0],
  ]
  if (JSON.stringify(asked) !== JSON.stringify(expected)) throw new Error(`scoring found ${JSON.stringify(asked)}`)
  const pack = await measured(() => pipeline.pack(datasetId, snapshot.value))
  const { manifest, shards } = await fetchPack(pipeline, pack.value, path.join(directory, datasetId))
  const epoch = await measured((onProgress) => drawEpoch(manifest, pipeline, onProgress))
  const stageOf = ({ seconds, peakMib }: Stage) => ({ seconds, peakMib })
  const stages = { snapshot, score, cut, pack, epoch }
  return { pairs, shards, stages: Object.fromEntries(Object.entries(stages).map(([name, it]) => [name, stageOf(it)])) }
}

const lineOf = ({ pairs, shards, stages }: Result, before: Result | undefined): string => {
  const cells = Object.entries(stages).map(([name, { seconds, peakMib }]) => {
    const growth = before && seconds / before.stages[name]!.seconds / (pairs / before.pairs)
    const linear = growth === undefined ? "" : `, ${growth.toFixed(2)} × linear`
    return `${name} ${seconds.toFixed(2)} s, ${peakMib.toFixed(0)} MiB${linear}`
  })
  return `${pairs} pairs, ${shards} shards: ${cells.join("; ")}`
}

const directory = mkdtempSync(path.join(tmpdir(), "yohaku-pairs-"))
const platform = await getPlatformProxy<Record<string, unknown>>({
  configPath: path.join(root, "workers/orchestrator/wrangler.toml"),
  persist: { path: path.join(directory, "state") },
})
try {
  const pipeline = await openPipeline(platform.env)
  const results: Result[] = []
  for (const pairs of sizes) {
    results.push(await measureSize(pipeline, pairs, directory))
    if (!given.json) console.log(lineOf(results.at(-1)!, results.at(-2)))
  }
  if (given.json) console.log(JSON.stringify(results))
} finally {
  await platform.dispose()
  rmSync(directory, { recursive: true, force: true })
}
