// The host waits for the device once a step: a step's norm comes with the scores of the next. What a run leaves does not show it.
import { afterAll, beforeAll, expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { NothingTrained } from "#gpu-runner/trainer/errors.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { createWorkspace, type Workspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { beyondBounds, metricsOf, type TinyRun, timeless, tinyRun } from "./tiny-run.ts"

let workspace: Workspace
let tiny: TinyRun

beforeAll(async () => {
  workspace = createWorkspace()
  tiny = await tinyRun(workspace, 12)
})

afterAll(() => workspace.remove())

async function waitsOf({ gpu }: OpContext, out: string, config: Record<string, unknown>): Promise<number> {
  let waits = 0
  const wait: GpuDevice["wait"] = (promise) => {
    waits++
    return gpu.wait(promise)
  }
  await trainRun({ ...gpu, wait }, tiny.inputs(out, config))
  return waits
}

softwareTest("each further step costs one wait, however it is cut no more than one a micro-batch", async (context) => {
  const steps = (epochs: number, more: object = {}) =>
    waitsOf(context, `waits-${epochs}`, { epochs, checkpointEvery: 100, ...more })
  expect((await steps(3)) - (await steps(1))).toBe(6)
  const cut = { tokensPerMicroBatch: 64 }
  const microBatches = (await steps(2, cut)) - (await steps(1, cut))
  expect(microBatches).toBeGreaterThan(3)
  expect(microBatches).toBeLessThanOrEqual(12)
})

softwareTest("a run that waits for every step's end leaves the same bytes and metrics", async (context) => {
  const config = { epochs: 2, method: "alpha-dpo", maxGradNorm: 0.5, weightDecay: 0.1 }
  const ahead = await trainRun(context.gpu, tiny.inputs("ahead", { ...config, checkpointEvery: 100 }))
  const waiting = await trainRun(context.gpu, tiny.inputs("waiting", { ...config, checkpointEvery: 1 }))
  expect(ahead.files).toEqual(waiting.files)
  expect(timeless(metricsOf(workspace, "ahead"))).toEqual(timeless(metricsOf(workspace, "waiting")))
})

softwareTest(
  "the rate is that of all steps since the device was idle: no step takes time that is another's",
  async (context) => {
    const { durationSeconds } = await trainRun(context.gpu, tiny.inputs("rate", { epochs: 3, checkpointEvery: 100 }))
    const lines = metricsOf(workspace, "rate")
    const seconds = lines.map(({ num_tokens, tokens_per_second }) => num_tokens! / tokens_per_second!)
    expect(seconds).toHaveLength(9)
    expect(seconds).toEqual(seconds.toSorted((left, right) => left - right))
    expect(seconds.at(-1)).toBeLessThanOrEqual(durationSeconds)
  },
)

softwareTest("a gradient whose norm overflows changes nothing, though its loss is finite", async (context) => {
  const wild = { beta: 1e37 }
  const config = {
    method: "dpo",
    maxSkippedInARow: 9,
    loraRank: 0,
    batch: 12,
    shuffle: false,
    epochs: 3,
    checkpointEvery: 100,
  }
  for (const optimiser of ["adamw", "adamw-8bit"]) {
    // No step counts, so the run ends as one that trained nothing; its metrics say what was left out.
    const run = trainRun(context.gpu, beyondBounds(tiny.inputs(optimiser, { ...config, optimiser }), wild))
    await expect(run).rejects.toThrow(NothingTrained)
    const lines = metricsOf(workspace, optimiser)
    expect(lines.map(({ skipped, grad_norm }) => [skipped, grad_norm])).toEqual(Array(3).fill([true, null]))
    expect(lines[0]!.loss).toBeGreaterThan(0)
    expect(lines.map(({ loss }) => loss)).toEqual(Array(3).fill(lines[0]!.loss))
  }
})
