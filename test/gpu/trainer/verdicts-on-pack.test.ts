// Verdicts of a pack: KTO learns of them what it learns of the same labelled rows of a file; what compares pairs leaves them and says how many.
import { afterAll, expect } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { trainOnPack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import type { PackPair } from "#shared/wire/pack-shard.ts"
import { writePackFolder } from "#test/gpu-runner/support/pack-folder.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)
const none = new Uint32Array(0)
const ids = await Promise.all(tiny.rows.map(({ id }) => sha256Hex(id)))
const isHeldOut = (index: number): boolean => index % 3 === 2
const isUp = (index: number): boolean => index % 3 === 0

/** Every third pair is held out; of the others one answer was judged by itself: the chosen one desirable, the rejected one not. */
async function packOfVerdicts(context: OpContext): Promise<string> {
  const model = createDecoder(context, tiny.model, { positionCount: 64 })
  const scores = await scoreRows(context, model, tiny.rows, { tokenBudget: 4096 })
  model.release()
  const pairs = tiny.rows.map((row, index): PackPair => {
    const { promptIds, chosenIds, rejectedIds } = row
    const { chosen, rejected } = scores[index]!
    const pair = { id: ids[index]!, promptIds, chosenIds, rejectedIds }
    if (isHeldOut(index)) return { ...pair, referenceLogProbs: { chosen, rejected }, split: "held-out" }
    return isUp(index)
      ? { ...pair, rejectedIds: none, referenceLogProbs: { chosen, rejected: [] }, split: "train" }
      : { ...pair, chosenIds: none, referenceLogProbs: { chosen: [], rejected }, split: "train" }
  })
  const meta = { snapshot: ids[0]!, reference: tiny.model.fingerprint, tokenizer: tiny.model.tokenizerDigest }
  return writePackFolder(workspace.at("."), pairs, meta, { pairsPerShard: 5 })
}

const labelled = (): TokenRow[] =>
  tiny.rows
    .map((row, index): TokenRow => {
      const chosenIds = isUp(index) ? row.chosenIds : row.rejectedIds
      return { ...row, id: ids[index]!, chosenIds, rejectedIds: none, label: isUp(index) }
    })
    .filter((_, index) => !isHeldOut(index))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))

const heldOut = (): TokenRow[] =>
  tiny.rows
    .map((row, index) => ({ ...row, id: ids[index]! }))
    .filter((_, index) => isHeldOut(index))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))

softwareTest("KTO learns of a pack's verdicts what it learns of labelled rows, to the bit", async (context) => {
  const pack = await packOfVerdicts(context)
  const inputs = tiny.inputs("rows", { method: "kto", epochs: 2 }, { train: labelled(), heldOut: heldOut() })
  const run = { gpu: context.gpu, modelDir: tiny.model.directory, pack, config: inputs.config }
  const ofPack = await trainOnPack({ ...run, outDir: workspace.at("pack") })
  expect(ofPack.pairs).toMatchObject({ train: 8, heldOut: 4, dropped: {} })
  const ofRows = await trainRun(context.gpu, inputs)
  expect(ofPack.files["adapter_model.safetensors"]).toBe(ofRows.files["adapter_model.safetensors"])
})

softwareTest("a method that compares pairs leaves verdicts and says how many", async (context) => {
  const pack = await packOfVerdicts(context)
  const { config } = tiny.inputs("unused", { maxSteps: 1 })
  const run = { gpu: context.gpu, modelDir: tiny.model.directory, pack, config, outDir: workspace.at("none") }
  await expect(trainOnPack(run)).rejects.toThrow(/verdict.*8|8.*verdict/)
})
