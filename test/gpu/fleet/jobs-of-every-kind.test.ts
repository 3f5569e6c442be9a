// What `train` takes, a run's jobs take too: methods on responses and on labels, bases of few bits, a start from an adapter, all weights.
import { afterAll, expect } from "vitest"
import { fingerprintOf } from "#gpu-runner/data/model/base-fingerprint.ts"
import type { TrainReport } from "#gpu-runner/trainer/results/artefacts.ts"
import { PRECISION_BOUNDS } from "#shared/formats/weights/precision-bounds.ts"
import { encodeTensor, readSafetensors, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import type { TrainResult } from "#shared/wire/job.ts"
import { createWorkspace, shard, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { tinyRun } from "../trainer/tiny-run.ts"
import { CONFIG, JobWorld } from "./job-world.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 12)
const world = new JobWorld(workspace, tiny)
const stored = tiny.model.fingerprint

const reportOf = ({ report }: TrainResult) => report as unknown as TrainReport

softwareTest("sft on the chosen responses makes them likelier, also held-out ones", async (context) => {
  const pack = await world.pack(context, stored)
  const trained = await world.train(context, pack, { ...CONFIG, method: "sft" })
  const { adapter } = trained
  expect(Object.keys(adapter!).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"])
  const { pairs, loss, selfTest } = reportOf(trained)
  expect([pairs.train, pairs.heldOut, selfTest]).toEqual([8, 4, null])
  expect(loss.last!).toBeLessThan(loss.first! - 0.5)
  const [before, after] = [
    await world.evaluate(context, pack, {}),
    await world.evaluate(context, pack, { adapter: adapter! }),
  ]
  expect(after.chosen).toBeGreaterThan(before.chosen + 0.5)
})

softwareTest("kto takes both sides of the pack's pairs and scores its own reference", async (context) => {
  const pack = await world.pack(context, stored)
  const trained = await world.train(context, pack, { ...CONFIG, method: "kto", learningRate: 1e-2 })
  const { pairs, loss, reference } = reportOf(trained)
  expect([pairs.train, pairs.heldOut]).toEqual([16, 4])
  expect(reference).toEqual({ source: "computed", digest: stored })
  expect(loss.first!).toBeCloseTo(0.5, 3)
  expect(loss.last!).toBeLessThan(loss.first!)
  const [before, after] = [
    await world.evaluate(context, pack, {}),
    await world.evaluate(context, pack, { adapter: trained.adapter! }),
  ]
  expect(after.chosen - after.rejected).toBeGreaterThan(before.chosen - before.rejected + 0.1)
})

softwareTest(
  "an int8 base takes a reference in f32 within their bound, and one in int8 within the tolerance",
  async (context) => {
    const config = { ...CONFIG, baseWeights: "int8", maxSteps: 4, selfTestTolerance: 8e-3 }
    const exact = await world.pack(context, stored)
    const trained = await world.train(context, exact, config)
    const { selfTest, reference } = reportOf(trained)
    expect(reference).toEqual({ source: "given", digest: stored })
    expect(selfTest!.tolerance).toBeCloseTo(8e-3 + PRECISION_BOUNDS.int8, 12)
    expect(selfTest!.maxDifference).toBeGreaterThan(8e-3)
    const rounded = await world.pack(context, await fingerprintOf(tiny.model, "int8"), "int8")
    const same = reportOf(await world.train(context, rounded, config)).selfTest!
    expect([same.tolerance, same.maxDifference < 1e-6]).toEqual([8e-3, true])

    // Judged on the base as it was trained on; on another base the same adapter is another policy.
    const judged = { adapter: trained.adapter!, precision: "f32" } as const
    const [onInt8, onStored] = [
      await world.evaluate(context, exact, { ...judged, baseWeights: "int8" }),
      await world.evaluate(context, exact, judged),
    ]
    expect(onInt8.chosen).not.toBeCloseTo(onStored.chosen, 4)
  },
)

softwareTest("a reference of another precision that is farther away than their bound is refused", async (context) => {
  const exact = await world.pack(context, stored)
  await expect(world.train(context, exact, { ...CONFIG, baseWeights: "nf4", maxSteps: 1 })).rejects.toThrow(
    /differ by 0\.1\d+ nats per token \(gap 0\.2\d+, allowed 0\.171, 0\.17 of it because the reference is in stored and the base is held in nf4/,
  )
  const claimed = await world.pack(context, await fingerprintOf(tiny.model, "f16"), "nf4")
  await expect(world.train(context, claimed, { ...CONFIG, maxSteps: 1 })).rejects.toThrow(
    /before the first step, policy and reference differ by .*because the reference is in f16 and the base is held in stored.*have the reference computed in the precision of the base/,
  )
})

softwareTest("a start from an adapter goes on with it; its reference is where it starts", async (context) => {
  const pack = await world.pack(context, stored)
  const first = await world.train(context, pack, { ...CONFIG, maxSteps: 8 })
  const next = await world.train(context, pack, { ...CONFIG, loraRank: 16, maxSteps: 8 }, { startFrom: first.adapter! })
  const { config, reference, selfTest } = reportOf(next)
  expect(config.loraRank).toBe(4)
  expect(reference.source).toBe("computed")
  expect(reference.digest).not.toBe(stored)
  // Policy and reference are equal before its first step, whatever the first adapter had learnt.
  expect(selfTest!.maxDifference).toBeLessThan(1e-5)
  const gapOf = async (adapter: TrainResult["adapter"]) => {
    const { chosen, rejected } = await world.evaluate(context, pack, { adapter: adapter! })
    return chosen - rejected
  }
  expect(await gapOf(next.adapter)).toBeGreaterThan((await gapOf(first.adapter)) + 0.2)
})

softwareTest("a full fine-tune of a sharded model gives a whole model in as many files", async (context) => {
  const sharded = writeTinyModel(workspace, "sharded")
  shard(sharded)
  const own = await tinyRun(workspace, 12, sharded)
  const full = new JobWorld(workspace, own)
  const pack = await full.pack(context, own.model.fingerprint)
  const { loraRank: _, ...config } = CONFIG
  const trained = await full.train(context, pack, { ...config, loraRank: 0, learningRate: 1e-3 })
  expect(trained.adapter).toBeUndefined()
  const base = full.putFolder(sharded)
  expect(Object.keys(trained.model!).sort()).toEqual(Object.keys(base).sort())
  const changed = Object.keys(base).filter((name) => base[name] !== trained.model![name])
  expect(changed.sort()).toEqual(["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
  const tensors = changed.flatMap((name) => [...readSafetensors(full.blobs.get(trained.model![name]!)!).tensors.keys()])
  expect(tensors.sort()).toEqual([...own.model.tensors.keys()].sort())
  for (const name of changed) expect(trained.model![name]).toBe(reportOf(trained).files[name])
  expect(full.progress.at(-1)!.message).toMatch(/^sending model-0000\d-of-00002\.safetensors: .* of /)
  const [before, after] = [
    await full.evaluate(context, pack, {}),
    await full.evaluate(context, pack, { model: trained.model! }),
  ]
  expect(after.chosen - after.rejected).toBeGreaterThan(before.chosen - before.rejected + 0.2)
  // What was made on this machine is not fetched to be judged.
  for (const name of changed) expect(full.fetched).not.toContain(trained.model![name])
})

softwareTest("weights that lie beside a model's own, and are none of its, are not planned with", async (context) => {
  const pack = await world.pack(context, stored)
  const base = world.putFolder(tiny.model.directory)
  const other = writeSafetensors([encodeTensor("other.weight", [1], Float32Array.of(1), "F32")])
  const beside = { "adapter_model.safetensors": world.put(other) }
  const config = { ...CONFIG, method: "sft", maxSteps: 1 }
  const { adapter } = await world.train(context, pack, config, { base: { ...base, ...beside } })
  expect(Object.keys(adapter!)).toHaveLength(2)
})
