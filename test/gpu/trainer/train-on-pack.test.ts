// The trainer's entrance for jobs: a pack in, artefacts out; and the evaluation that gates judge.
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, expect } from "vitest"
import { PackMismatch } from "#gpu-runner/data/errors.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { evaluatePack, trainOnPack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import type { PackMeta, PackPair } from "#shared/wire/pack-shard.ts"
import { writePackFolder } from "#test/gpu-runner/support/pack-folder.ts"
import { createWorkspace, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)
const { config } = tiny.inputs("unused", { epochs: 8 })
const meta: PackMeta = {
  snapshot: await sha256Hex("snapshot"),
  reference: tiny.model.fingerprint,
  tokenizer: tiny.model.tokenizerDigest,
}

/** The tiny pairs as a pack of three shards: the last third held out, references from the runner's own kernels. */
async function tinyPack(context: OpContext, changed: Partial<PackMeta> = {}): Promise<string> {
  const model = createDecoder(context, tiny.model, { positionCount: 64 })
  const scores = await scoreRows(context, model, tiny.rows, { tokenBudget: 4096 })
  model.release()
  const pairs = tiny.rows.map(async (row, index): Promise<PackPair> => {
    const split = index % 3 === 2 ? "held-out" : "train"
    return { ...row, id: await sha256Hex(row.id), referenceLogProbs: scores[index]!, split }
  })
  const folder = path.dirname(workspace.write("packs/none", ""))
  return writePackFolder(folder, await Promise.all(pairs), { ...meta, ...changed }, { pairsPerShard: 5 })
}

softwareTest("a pack trains an adapter that judges its held-out pairs better", async (context) => {
  const pack = await tinyPack(context)
  const run = { gpu: context.gpu, modelDir: tiny.model.directory, pack }
  const report = await trainOnPack({ ...run, config, outDir: workspace.at("job") })
  expect(report.pairs).toEqual({ train: 8, heldOut: 4, nearDuplicates: 0, dropped: {} })
  expect(report.reference).toEqual({ source: "given", digest: tiny.model.fingerprint })
  expect(report.heldOut!.after.accuracy).toBe(1)
  expect(Object.keys(report.files).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"])
  const bytes = readFileSync(workspace.at("job", "adapter_model.safetensors"))
  expect(await sha256Hex(bytes)).toBe(report.files["adapter_model.safetensors"])
  expect(metricsOf(workspace, "job").map(({ step }) => step)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1))

  const evaluation = await evaluatePack({ ...run, adapterDir: workspace.at("job"), split: "held-out" })
  expect(evaluation.pairIds).toEqual([...evaluation.pairIds].sort())
  expect(evaluation.pairIds).toHaveLength(4)
  expect(evaluation.isNearDuplicate).toEqual([false, false, false, false])
  evaluation.chosen.forEach(({ sum, count }, i) => {
    const rejected = evaluation.rejected[i]!
    expect(sum / count).toBeGreaterThan(rejected.sum / rejected.count)
  })
})

softwareTest("the base's evaluation of a pack is its reference", async (context) => {
  const pack = await tinyPack(context)
  const { chosen, rejected, pairIds } = await evaluatePack({
    gpu: context.gpu,
    modelDir: tiny.model.directory,
    pack,
    split: "train",
  })
  const byId = new Map(await Promise.all(tiny.rows.map(async (row) => [await sha256Hex(row.id), row] as const)))
  const model = createDecoder(context, tiny.model, { positionCount: 64 })
  const rows = pairIds.map((id) => byId.get(id)!)
  const scores = await scoreRows(context, model, rows, { tokenBudget: 64 })
  model.release()
  scores.forEach((score, i) => {
    const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0)
    expect(Math.abs(sum(score.chosen) - chosen[i]!.sum)).toBeLessThan(1e-4)
    expect(Math.abs(sum(score.rejected) - rejected[i]!.sum)).toBeLessThan(1e-4)
    expect([chosen[i]!.count, rejected[i]!.count]).toEqual([score.chosen.length, score.rejected.length])
  })
})

softwareTest(
  "a pack's log-probs serve methods that need them token by token, or the model itself besides",
  async (context) => {
    const pack = await tinyPack(context)
    for (const method of ["ld-dpo", "tdpo"]) {
      const { config } = tiny.inputs("unused", { method, epochs: 2 })
      const outDir = workspace.at(method)
      const report = await trainOnPack({ gpu: context.gpu, modelDir: tiny.model.directory, pack, config, outDir })
      expect(report.reference.source).toBe("given")
      expect(report.loss.first!).toBeCloseTo(Math.LN2, 4)
      expect(report.loss.last!).toBeLessThan(report.loss.first!)
    }
  },
)

softwareTest(
  "a report's maxLength is what was in force: the dataset's, the model's where that is less",
  async (context) => {
    const pack = await tinyPack(context)
    const limit = tiny.model.config.maxPositions
    const lengthOf = async (written: number, ofDataset: number) => {
      const { config } = tiny.inputs("unused", { maxSteps: 1, maxLength: written })
      const outDir = workspace.at(`length-${written}-${ofDataset}`)
      const run = { gpu: context.gpu, modelDir: tiny.model.directory, pack, config, outDir }
      return (await trainOnPack({ ...run, maxLength: ofDataset })).config.maxLength
    }
    expect(await lengthOf(limit - 1, limit - 1)).toBe(limit - 1)
    expect(await lengthOf(4 * limit, 4 * limit)).toBe(limit)
  },
)

softwareTest("packs of another tokenizer or another reference are refused by name", async (context) => {
  const attempt = async (changed: Partial<PackMeta>, modelDir = tiny.model.directory) => {
    const pack = await tinyPack(context, changed)
    return trainOnPack({ gpu: context.gpu, modelDir, pack, config, outDir: workspace.at("refused") })
  }
  const other = await sha256Hex("other")
  await expect(attempt({ tokenizer: other })).rejects.toThrow(PackMismatch)
  await expect(attempt({ tokenizer: other })).rejects.toThrow(
    /tokenised with tokenizer\.json .* build the pack with this model/,
  )
  const otherModel = writeTinyModel(workspace, "other-model", 2)
  await expect(attempt({}, otherModel)).rejects.toThrow(/weights, tokenizer or template differ/)
})
