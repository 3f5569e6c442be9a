// Where products round their operands to f16, a backward pass runs on a multiple of the gradient, so that small ones are not lost: whichever
// way the step is computed.
import { expect } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { gradientStep } from "#gpu-runner/trainer/step/gradient-step.ts"
import type { StepDirections } from "#gpu-runner/trainer/step/step-directions.ts"
import type { StepInputs } from "#gpu-runner/trainer/step/step-inputs.ts"
import type { BatchLoss } from "#gpu-runner/trainer/step/step-loss.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import { bySum } from "#shared/methods/pair-log-probs.ts"
import { randomDecoder } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { emulatedUnits } from "../emulated-units.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter, randomRows, tinyConfig } from "../models/tiny.ts"

const config = tinyConfig()
const rows = randomRows(config, [
  [5, 7, 4],
  [1, 1, 9],
  [12, 3, 3],
])
/** Far below f16's smallest number, 6e-8. */
const DERIVATIVE = -1e-10
const derivatives = rows.map((_, row) => bySum(DERIVATIVE * (row + 1)))

const loss: BatchLoss = {
  loss: 1,
  chosen: derivatives,
  rejected: rows.map(() => bySum(-DERIVATIVE)),
  pairs: [],
  losses: [],
  statistics: initialGapStatistics,
  normaliser: undefined,
  excludedGaps: 0,
  kl: undefined,
  negativeLogLikelihood: undefined,
  pairWeights: undefined,
}
const known: StepDirections = {
  rows: derivatives.map((chosen, row) => ({ chosen, rejected: loss.rejected[row]! })),
  isFinal: true,
}

/** The gradient in the bank, and how many times it stands there. */
async function gradientOf(context: OpContext, more: Pick<StepInputs, "tokenBudget" | "directions">) {
  const source = { config, tensors: randomDecoder(config, 71, 1.5) }
  const model = createDecoder(context, source, {
    positionCount: 32,
    adapter: randomAdapter(config, 4, 72),
    train: "adapter",
  })
  const { scale } = await gradientStep(context, model, { rows, lossOf: () => loss, ...more })
  const { gradient } = await model.trained!.read("gradient")
  model.release()
  return { scale, gradient }
}

softwareTest(
  "a gradient far below what f16 holds survives rounded products, kept, computed twice or direct",
  async ({ gpu }) => {
    const exact = await gradientOf(createContext(gpu, "gpu", { precision: "f32" }), { tokenBudget: 4096 })
    expect(exact.scale).toBe(1)
    const rounded = createContext(gpu, "gpu", { matrixUnits: emulatedUnits(8, 8, 8, 8) })
    const ways = [{ tokenBudget: 4096 }, { tokenBudget: 20 }, { tokenBudget: 20, directions: known }]
    for (const way of ways) {
      const { scale, gradient } = await gradientOf(rounded, way)
      // The largest derivative is 3e-10: 2³² of it are 1.29.
      expect(scale).toBe(2 ** 32)
      for (const [name, values] of exact.gradient) {
        const error = relativeError(
          gradient.get(name)!.map((value) => value / scale),
          Float64Array.from(values),
        )
        expect(error, name).toBeGreaterThan(0)
        expect(error, name).toBeLessThan(0.01)
      }
    }
  },
)
