// What a run holds on the device: the same after every step, and nothing afterwards. A run has a context of its own, which is looked
// into here.
import { afterAll, expect, vi } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { MemoryStatistics } from "#gpu-runner/device/memory.ts"
import type { StepPlan } from "#gpu-runner/trainer/plan/step-plan.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter } from "../models/tiny.ts"
import { tinyRun } from "./tiny-run.ts"

const contexts = vi.hoisted((): OpContext[] => [])
vi.mock(import("#gpu-runner/device/context.ts"), async (original) => {
  const module = await original()
  const { createContext } = module
  return {
    ...module,
    createContext: (...options: Parameters<typeof createContext>) => {
      const context = createContext(...options)
      contexts.push(context)
      return context
    },
  }
})

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 10)
const STEPS = 30
const adapter = randomAdapter(tiny.model.config, 4, 41)
const cut = { tokensPerMicroBatch: 60 }

for (const [name, config, more] of [
  ["an adapter", {}, {}],
  ["all weights, in 8 bits", { loraRank: 0, optimiser: "adamw-8bit" }, {}],
  ["TDPO with its copy of the reference", { method: "tdpo", ...cut }, { startAdapter: { adapter, digest: "random" } }],
  ["dropout on nf4", { baseWeights: "nf4", loraDropout: 0.1, ...cut }, {}],
] as const) {
  softwareTest(
    `${name}: ${STEPS} steps with evaluations and checkpoints hold what was foreseen, and no more than the first`,
    async ({ gpu }) => {
      let planned: StepPlan | undefined
      const held = new Map<number, MemoryStatistics>()
      const often = { evaluateEvery: 5, checkpointEvery: 7 }
      // Other steps end when the next one has its scores, and so its activations.
      const isAlone = (step: number) => step % often.evaluateEvery === 0 || step % often.checkpointEvery === 0
      // Unshuffled, the same batches come by in every epoch.
      const options = { maxSteps: STEPS, shuffle: false, learningRate: 1e-5, ...often, ...config }
      const inputs = tiny.inputs(`memory-${name.length}`, options, {
        ...more,
        heldOut: tiny.rows.slice(0, 3),
        onProgress: (event) => {
          if (event._tag === "Memory") planned = event.forecast.step
          if (event._tag === "Step" && isAlone(event.step)) held.set(event.step, contexts.at(-1)!.memory.statistics())
        },
      })
      await trainRun(gpu, inputs)
      expect([...held.keys()]).toEqual([5, 7, 10, 14, 15, 20, 21, 25, 28, 30])
      expect(held.get(5)!.usedBytes).toBeGreaterThan(0)
      expect(new Set([...held.values()].map(({ usedBytes }) => usedBytes)).size).toBe(1)
      expect(held.get(STEPS)!.reservedBytes).toBe(held.get(STEPS / 2)!.reservedBytes)
      expect(contexts.at(-1)!.memory.statistics()).toMatchObject({ usedBytes: 0, reservedBytes: 0 })
      const foreseen = (planned!.fixedBytes + planned!.stepBytes) / contexts.at(-1)!.memory.statistics().peakUsedBytes
      expect(foreseen).toBeGreaterThan(0.95)
      expect(foreseen).toBeLessThan(1.25)
    },
  )

  softwareTest(`${name}: a run that fails gives all of it back too`, async ({ gpu }) => {
    const onProgress = () => {
      throw new Error("failed")
    }
    const failing = trainRun(gpu, tiny.inputs("failing", config, { ...more, onProgress }))
    await expect(failing).rejects.toThrow("failed")
    expect(contexts.at(-1)!.memory.statistics()).toMatchObject({ usedBytes: 0, reservedBytes: 0 })
    expect(contexts.at(-1)!.memory.statistics().peakUsedBytes).toBeGreaterThan(0)
  })
}

softwareTest(
  "a run given just what its plan needs never holds more, however its steps differ in length",
  async ({ gpu }) => {
    let planned: StepPlan | undefined
    const run = async (deviceMemoryGb: number) => {
      const held: number[] = []
      const note = () => held.push(contexts.at(-1)!.memory.statistics().reservedBytes)
      const options = { ...cut, loraRank: 0, maxSteps: 8, evaluateEvery: 2, deviceMemoryGb }
      const inputs = tiny.inputs(`budget-${deviceMemoryGb}`, options, {
        heldOut: tiny.rows.slice(0, 3),
        onProgress: (event) => {
          if (event._tag === "Memory") planned = event.forecast.step
          if (event._tag === "Step" || event._tag === "Evaluated") note()
        },
      })
      await trainRun(gpu, inputs)
      return held.reduce((most, bytes) => Math.max(most, bytes))
    }
    const unbounded = await run(1)
    const budgetBytes = planned!.fixedBytes + planned!.stepBytes
    expect(unbounded).toBeGreaterThan(budgetBytes)
    expect(await run(budgetBytes / 1e9)).toBeLessThanOrEqual(budgetBytes)
  },
)

softwareTest(
  "a checkpoint of steps that more memory cut otherwise is refused: their sums are rounded in another order",
  async ({ gpu }) => {
    let planned: StepPlan | undefined
    const killed = tiny.inputs(
      "cut-otherwise",
      { ...cut, epochs: 2 },
      {
        onProgress: (event) => {
          if (event._tag === "Memory") planned = event.forecast.step
          if (event._tag === "Step" && event.step === 3) throw new Error("killed")
        },
      },
    )
    await expect(trainRun(gpu, killed)).rejects.toThrow("killed")
    expect(planned).toMatchObject({ keepsRowGradients: true })
    const tooLittle = (planned!.fixedBytes + planned!.stepBytes - 1) / 1e9
    const resumed = tiny.inputs("cut-otherwise", { ...cut, epochs: 2, deviceMemoryGb: tooLittle }, { resume: true })
    await expect(trainRun(gpu, resumed)).rejects.toThrow(
      /memory \(deviceMemoryGb, another device\) cuts its steps otherwise/,
    )
  },
)
