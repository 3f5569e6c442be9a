// A step of several micro-batches comes to one gradient whichever way it is computed: activations kept, forward passes computed twice, or
// forward and backward at once with each row's factor applied afterwards. For every method and rank, with dropout too.
import { Result } from "effect"
import { expect } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { createDecoder, withDropout, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { ktoRows } from "#gpu-runner/trainer/rows/kto-rows.ts"
import { withScoredReference } from "#gpu-runner/trainer/run/reference.ts"
import { gradientStep } from "#gpu-runner/trainer/step/gradient-step.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { stepDirections } from "#gpu-runner/trainer/step/step-directions.ts"
import type { StepInputs } from "#gpu-runner/trainer/step/step-inputs.ts"
import { batchLoss } from "#gpu-runner/trainer/step/step-loss.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import { methodNames } from "#shared/methods/methods.ts"
import { bySum, type ResponseGradient } from "#shared/methods/pair-log-probs.ts"
import { randomDecoder } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter, randomRows, STEP_LENGTHS, tinyConfig } from "../models/tiny.ts"

/** Of the largest element of a matrix's gradient. */
const TOLERANCE = 1e-5
const LENGTHS = [...STEP_LENGTHS, [3, 5, 6]] as const

const family = tinyConfig()
const rowsOf = (method: string): readonly TokenRow[] => {
  const rows = randomRows(family, LENGTHS).map((row, index) => ({ ...row, weight: 1 + index / 4 }))
  if (method === "sft") return rows.map((row) => ({ ...row, rejectedIds: new Uint32Array(0) }))
  return method === "kto" ? ktoRows(rows, 64).rows : rows
}

for (const [method, options] of [
  ...methodNames.map((name) => [name, {}] as const),
  ["simpo", { useWeighting: true }],
  ["dpo", { sftWeight: 0.5 }],
  ["cpo", { sftWeight: 0 }],
] as const) {
  const named = `${method} ${JSON.stringify(options)}`
  const hasDirection = !(["orpo", "alphapo"].includes(method) || named === "cpo {}" || named.startsWith('dpo {"sft'))
  softwareTest(`${named}: kept, computed twice and ${hasDirection ? "direct" : "not direct"}`, async (context) => {
    const config = Result.getOrThrow(decodeTrainConfig({ method, ...options }))
    const source = { config: family, tensors: randomDecoder(family, 61, 1.5) }
    const adapter = randomAdapter(family, 6, 62)
    const plain = createDecoder(context, source, { positionCount: 32, adapter, train: "adapter" })
    const reference = withoutAdapter(plain)
    const unscored = rowsOf(method)
    const scores = await scoreRows(context, reference, unscored, { tokenBudget: 4096 })
    const rows = withScoredReference(unscored, scores, config)
    const reads = { collisions: config.useWeighting, reference: method === "tdpo" ? reference : undefined }
    const step = async (more: Pick<StepInputs, "tokenBudget" | "directions" | "checkpointing">) => {
      await gradientStep(context, plain, {
        rows,
        reads,
        lossOf: (batch, scored) => batchLoss(batch, scored, initialGapStatistics, config),
        ...more,
      })
      return (await plain.trained!.read("gradient")).gradient
    }
    const directions = stepDirections(rows, config, { keepsRowGradients: true })
    expect(directions !== undefined).toBe(hasDirection)
    const kept = await step({ tokenBudget: 4096 })
    const others = [
      await step({ tokenBudget: 24 }),
      await step({ tokenBudget: 24, directions }),
      await step({ tokenBudget: 24, directions, checkpointing: true }),
    ]
    for (const [name, values] of kept) {
      for (const other of others) {
        expect(relativeError(other.get(name)!, Float64Array.from(values)), name).toBeLessThan(TOLERANCE)
      }
    }
    plain.release()
  })
}

softwareTest(
  "dropout: both passes of a micro-batch see the same masks, whichever way the step is computed",
  async (context) => {
    const config = Result.getOrThrow(decodeTrainConfig({ method: "dpo" }))
    const source = { config: family, tensors: randomDecoder(family, 63, 1.5) }
    const adapter = randomAdapter(family, 4, 64)
    const plain = createDecoder(context, source, { positionCount: 32, adapter, train: "adapter" })
    const learner = withDropout(plain, { rate: 0.3, seed: 7 })
    const unscored = rowsOf("dpo")
    const scores = await scoreRows(context, withoutAdapter(plain), unscored, { tokenBudget: 4096 })
    const rows = withScoredReference(unscored, scores, config)
    const step = async (directions: StepInputs["directions"]) => {
      await gradientStep(context, learner, {
        rows,
        tokenBudget: 24,
        directions,
        lossOf: (batch, scored) => batchLoss(batch, scored, initialGapStatistics, config),
      })
      return (await plain.trained!.read("gradient")).gradient
    }
    const [twice, direct] = [
      await step(undefined),
      await step(stepDirections(rows, config, { keepsRowGradients: true })),
    ]
    for (const [name, values] of twice) {
      expect(relativeError(direct.get(name)!, Float64Array.from(values)), name).toBeLessThan(TOLERANCE)
    }
    plain.release()
  },
)

// Scales of 1 hide one that is left in the slots, and directions of ±1 have no other.
softwareTest(
  "a direction's own length makes no difference: the rows' factors undo it, and its scale",
  async (context) => {
    const config = Result.getOrThrow(decodeTrainConfig({ method: "simpo" }))
    const source = { config: family, tensors: randomDecoder(family, 67, 1.5) }
    const adapter = randomAdapter(family, 4, 68)
    const model = createDecoder(context, source, { positionCount: 32, adapter, train: "adapter" })
    const rows = rowsOf("simpo")
    const { rows: directions } = stepDirections(rows, config, { keepsRowGradients: true })!
    const step = async (factor: number) => {
      const shortened = ({ perToken }: ResponseGradient) => bySum(factor * perToken)
      await gradientStep(context, model, {
        rows,
        tokenBudget: 24,
        directions: {
          rows: directions.map(({ chosen, rejected }) => ({
            chosen: shortened(chosen),
            rejected: shortened(rejected),
          })),
          isFinal: false,
        },
        lossOf: (batch, scored) => batchLoss(batch, scored, initialGapStatistics, config),
      })
      return (await model.trained!.read("gradient")).gradient
    }
    const [whole, tenth] = [await step(1), await step(0.1)]
    for (const [name, values] of whole) {
      expect(relativeError(tenth.get(name)!, Float64Array.from(values)), name).toBeLessThan(TOLERANCE)
    }
    model.release()
  },
)

softwareTest("a loss that is not finite leaves a gradient of zero", async (context) => {
  const source = { config: family, tensors: randomDecoder(family, 65, 1.5) }
  const adapter = randomAdapter(family, 4, 66)
  const model = createDecoder(context, source, { positionCount: 32, adapter, train: "adapter" })
  for (const method of ["simpo", "sft"]) {
    const config = Result.getOrThrow(decodeTrainConfig({ method }))
    const rows = rowsOf(method)
    const { loss } = await gradientStep(context, model, {
      rows,
      tokenBudget: 24,
      directions: stepDirections(rows, config, { keepsRowGradients: true }),
      lossOf: (batch, scored) => ({ ...batchLoss(batch, scored, initialGapStatistics, config), loss: Number.NaN }),
    })
    expect(loss.loss).toBeNaN()
    for (const [name, values] of (await model.trained!.read("gradient")).gradient) {
      expect(
        values.every((value) => value === 0),
        `${method} ${name}`,
      ).toBe(true)
    }
  }
  model.release()
})
