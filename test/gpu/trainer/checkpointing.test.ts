// Checkpointing keeps the layers' inputs alone and computes the rest again: the same bits, with less memory. A step of several
// micro-batches and the stock step that the bench compares with come to the same gradient.
import { Result } from "effect"
import { expect } from "vitest"
import { stockStep } from "#gpu-runner/bench/stock-step.ts"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder, type Decoder, withDropout, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { withScoredReference } from "#gpu-runner/trainer/run/reference.ts"
import { gradientStep } from "#gpu-runner/trainer/step/gradient-step.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import type { LossOf, StepInputs } from "#gpu-runner/trainer/step/step-inputs.ts"
import { batchLoss } from "#gpu-runner/trainer/step/step-loss.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import { randomDecoder } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter, randomRows, STEP_LENGTHS, tinyFamilyConfig } from "../models/tiny.ts"

const config = Result.getOrThrow(decodeTrainConfig({ method: "alpha-dpo" }))
const lossOf: LossOf = (rows, scores) => batchLoss(rows, scores, initialGapStatistics, config)

async function stepGradient(context: OpContext, model: Decoder, inputs: Omit<StepInputs, "lossOf" | "tokenBudget">) {
  await gradientStep(context, model, { tokenBudget: 4096, lossOf, ...inputs })
  return (await model.trained!.read("gradient")).gradient
}

for (const train of ["adapter", "weights"] as const) {
  softwareTest(`checkpointing changes no bit of the gradient of ${train}, and holds less`, async ({ gpu }) => {
    const family = tinyFamilyConfig("gemma3", { num_hidden_layers: 6 })
    const tensors = randomDecoder(family, 41, 1.5)
    const adapter = train === "adapter" ? randomAdapter(family, 4, 42) : undefined
    const results: { peak: number; gradient: ReadonlyMap<string, Float32Array> }[] = []
    for (const checkpointing of [false, true]) {
      const context = createContext(gpu)
      const plain = createDecoder(context, { config: family, tensors }, { positionCount: 32, adapter, train })
      const model = adapter ? withDropout(plain, { rate: 0.2, seed: 5 }) : plain
      const rows = randomRows(family, STEP_LENGTHS).map((row) => ({
        ...row,
        reference: {
          chosen: { sum: -9, count: row.chosenIds.length },
          rejected: { sum: -8, count: row.rejectedIds.length },
        },
      }))
      const held = context.memory.statistics().usedBytes
      const gradient = await stepGradient(context, model, { rows, checkpointing })
      results.push({ peak: context.memory.statistics().peakUsedBytes - held, gradient })
      plain.release()
      context.memory.trim()
    }
    const [kept, computedAgain] = results
    for (const [name, values] of kept!.gradient) expect(computedAgain!.gradient.get(name), name).toEqual(values)
    expect(computedAgain!.peak / kept!.peak).toBeLessThan(0.6)
  })
}

softwareTest("the stock step of the bench comes to the gradient of our own", async (context) => {
  const family = tinyFamilyConfig("llama")
  const adapter = randomAdapter(family, 4, 43)
  const source = { config: family, tensors: randomDecoder(family, 44, 1.5) }
  const policy = createDecoder(context, source, { positionCount: 32, adapter, train: "adapter" })
  const reference = withoutAdapter(policy)
  const rows = randomRows(family, STEP_LENGTHS)
  const scores = await scoreRows(context, reference, rows, { tokenBudget: 4096 })
  const expected = await stepGradient(context, policy, { rows: withScoredReference(rows, scores, config) })
  await stockStep(context, { rows, policy, reference, lossOf })
  const { gradient } = await policy.trained!.read("gradient")
  for (const [name, values] of expected) {
    expect(relativeError(gradient.get(name)!, Float64Array.from(values)), name).toBeLessThan(1e-4)
  }
  policy.release()
})
