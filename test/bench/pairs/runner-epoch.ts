// A runner's way through a pack: its rows are placed, an epoch is planned, and every row of it is drawn and thrown away.
import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { type PackModel, readPack } from "#gpu-runner/data/rows/pack-data.ts"
import { mostPositions, type Rows, rowTokens, shapesOf } from "#gpu-runner/data/rows/token-rows.ts"
import { stepOrder } from "#gpu-runner/trainer/rows/step-order.ts"
import { decodeManifest } from "#shared/wire/pack-manifest.ts"
import { type Looks, NO_LOOKS, peakHeldBytes, repeated, timed } from "./repeated.ts"
import type { Base, Steps } from "./steps.ts"

const BATCH = 32
const MAX_LENGTH = 4096

/** What is held of a row as long as a run lasts: where it lies (PackRows), and its place in the epoch's order. */
const INDEX_BYTES = 33
const ORDER_BYTES = 4
/** And while the run is planned: its length. */
const LENGTH_BYTES = 4

export interface RunnerEpoch {
  /** Of `plan`, which is reading the pack and planning an epoch, and where rows are drawn `epoch`. */
  readonly seconds: Readonly<Record<string, number>>
  /** At once, above what was held before. */
  readonly peakBytes: number
  /** Of it what rows are known by, which grows with their number. */
  readonly rowBytes: number
  readonly rows: number
}

/** As a runner's store of blobs has it; resolves to the manifest's file. */
export const fetchPack = async ({ isolate }: Steps, digest: string, folder: string): Promise<string> => {
  mkdirSync(folder, { recursive: true })
  const keep = async (name: string) => {
    const bytes = await isolate.get(name)
    writeFileSync(path.join(folder, name), bytes)
    return bytes
  }
  for (const shard of decodeManifest(await keep(digest)).shards) await keep(shard.digest)
  return path.join(folder, digest)
}

const modelOf = ({ files, fingerprint, chatTemplate, vocabularySize }: Base): PackModel => ({
  ...{ weightsDigest: files["model.safetensors"]!, tokenizerDigest: files["tokenizer.json"]!, fingerprint },
  tokenisation: { chatTemplate },
  config: { vocabularySize },
})

/** Every step's rows and how long they are, of an epoch in the order of its seed. */
const planEpoch = (train: Rows, looks: Looks) => {
  mostPositions(train)
  const lengths = Uint32Array.from(shapesOf(train), rowTokens)
  const order = stepOrder({ rowCount: train.length, batch: BATCH, epochs: 1, maxSteps: 0, shuffle: true, seed: 1 })
  let tokens = 0
  for (let step = 0; step < order.stepCount; step++) for (const row of order.rowsOf(step)) tokens += lengths[row]!
  looks.now()
  return { order, tokens }
}

const drawEpoch = (train: Rows, { order, tokens }: ReturnType<typeof planEpoch>, looks: Looks): void => {
  let drawn = 0
  for (let step = 0; step < order.stepCount; step++) {
    for (const row of order.rowsOf(step)) drawn += rowTokens(train.at(row)!)
    looks.sometimes()
  }
  if (drawn !== tokens) throw new Error(`the epoch was planned with ${tokens} tokens and has ${drawn}`)
}

/** Once; `isDrawn` false leaves out the drawing. */
const runEpoch = async (manifest: string, base: Base, isDrawn: boolean, looks: Looks) => {
  const plan = await timed(async () => {
    const rows = await readPack(manifest, modelOf(base), { kind: "pairs", maxLength: MAX_LENGTH })
    looks.now()
    return { ...rows, epoch: planEpoch(rows.train, looks) }
  })
  const { train, heldOut, epoch } = plan.value
  const value = { train: train.length, heldOut: heldOut.length }
  const seconds: Record<string, number> = { plan: plan.seconds }
  if (!isDrawn) return { value, seconds }
  const drawn = await timed(async () => drawEpoch(train, epoch, looks))
  return { value, seconds: { ...seconds, epoch: drawn.seconds } }
}

export const measureEpoch = async (manifest: string, base: Base, isDrawn: boolean): Promise<RunnerEpoch> => {
  const { value, seconds } = await repeated(() => runEpoch(manifest, base, isDrawn, NO_LOOKS))
  const peakBytes = await peakHeldBytes(async (looks) => {
    await runEpoch(manifest, base, isDrawn, looks)
  })
  const rows = value.train + value.heldOut
  return { seconds, peakBytes, rows, rowBytes: INDEX_BYTES * rows + (ORDER_BYTES + LENGTH_BYTES) * value.train }
}
