// The gradient of one whole step on the device against its f64 twin, for every path that is more than one scalar per response:
// LD-DPO's tail, WPO's weights, an SFT term, KTO's unpaired rows, TDPO's divergences with LoRA and in a full fine-tune.
import { Result } from "effect"
import { expect, test } from "vitest"
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder, type Decoder, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { ktoRows } from "#gpu-runner/trainer/rows/kto-rows.ts"
import { gradientStep } from "#gpu-runner/trainer/step/gradient-step.ts"
import { type DistributionReads, scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { stepDirections } from "#gpu-runner/trainer/step/step-directions.ts"
import type { StepInputs } from "#gpu-runner/trainer/step/step-inputs.ts"
import { batchLoss } from "#gpu-runner/trainer/step/step-loss.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { adapterTensorName } from "#shared/formats/peft/adapter.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import { logSigmoid } from "#shared/methods/log-sigmoid.ts"
import type { StepOptions } from "#shared/methods/step-loss.ts"
import { methodStep, responseSums, type StepModel } from "#test/reference/method-step.ts"
import { randomDecoder, seededRandom, weightValues } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter, randomRows, STEP_LENGTHS, tinyConfig, tinyFamilyConfig } from "../models/tiny.ts"

const TOLERANCE = 2e-4
const RANK = 4

const configOf = (options: StepOptions) => Result.getOrThrow(decodeTrainConfig(options))

/** Rows with the log-probs of a model as their reference, token by token. */
async function referenced(context: OpContext, reference: Decoder, rows: readonly TokenRow[]): Promise<TokenRow[]> {
  const scores = await scoreRows(context, reference, rows, { tokenBudget: 4096 })
  const side = (logProbs: Float32Array) => ({ ...responseLogProb(logProbs), logProbs })
  return rows.map((row, index) => {
    const { chosen, rejected } = scores[index]!
    return { ...row, reference: { chosen: side(chosen), rejected: side(rejected) } }
  })
}

async function deviceGradient(
  context: OpContext,
  policy: Decoder,
  rows: readonly TokenRow[],
  options: StepOptions,
  reads: DistributionReads,
  more: Pick<StepInputs, "directions"> & { readonly tokenBudget?: number } = {},
) {
  const config = configOf(options)
  const { loss } = await gradientStep(context, policy, {
    rows,
    tokenBudget: 4096,
    reads,
    ...more,
    lossOf: (batch, scores) => batchLoss(batch, scores, initialGapStatistics, config),
  })
  return { loss, gradient: (await policy.trained!.read("gradient")).gradient }
}

/** A tiny Llama with an adapter that has moved away from the base, which is the reference. */
async function compareLora(
  context: OpContext,
  options: StepOptions,
  rowsOf: (rows: readonly TokenRow[]) => readonly TokenRow[] = (rows) => rows,
  family = tinyConfig(),
): Promise<void> {
  const tensors = randomDecoder(family, 31, 1.5)
  const adapter = randomAdapter(family, RANK, 32)
  const policy = createDecoder(context, { config: family, tensors }, { positionCount: 32, adapter, train: "adapter" })
  const reference = withoutAdapter(policy)
  const rows = await referenced(context, reference, rowsOf(randomRows(family, STEP_LENGTHS)))
  const reads = { collisions: options.useWeighting, reference: options.method === "tdpo" ? reference : undefined }
  const weights = weightValues(tensors)
  const { modules, scaling, settings } = adapter
  const twin: StepModel = { weights, adapter: { modules, scaling, rank: settings.rank } }
  const expected = methodStep(family, twin, { weights }, rows, options)
  const whole = await deviceGradient(context, policy, rows, options, reads)
  const cut = await deviceGradient(context, policy, rows, options, reads, { tokenBudget: 24 })
  const directions = stepDirections(rows, configOf(options), { keepsRowGradients: true })
  const direct = await deviceGradient(context, policy, rows, options, reads, { tokenBudget: 24, directions })
  for (const { loss, gradient } of [whole, cut, direct]) {
    expect(Math.abs(loss.loss - expected.loss.loss)).toBeLessThan(1e-4 * Math.max(1, expected.loss.loss))
    for (const path of modules.keys()) {
      for (const letter of ["A", "B"] as const) {
        const error = relativeError(
          gradient.get(adapterTensorName(path, letter))!,
          expected.gradients.get(`${path}.lora_${letter}`)!,
        )
        expect(error, `${path} ${letter}`).toBeLessThan(TOLERANCE)
      }
    }
  }
  policy.release()
}

softwareTest("LD-DPO: the tail's own derivative reaches its tokens alone", (context) =>
  compareLora(context, { method: "ld-dpo", ldAlpha: 0.3 }),
)

softwareTest("WPO: every pair's gradient is weighted by the policy's own distributions", (context) =>
  compareLora(context, { method: "simpo", useWeighting: true }),
)

softwareTest("an SFT term adds the chosen tokens' mean NLL to DPO's gradient", (context) =>
  compareLora(context, { method: "dpo", sftWeight: 0.5, labelSmoothing: 0.1 }),
)

const unpaired = (rows: readonly TokenRow[]) =>
  ktoRows(
    rows.map((row, index) => ({ ...row, rejectedIds: new Uint32Array(0), label: index % 2 === 0 })),
    32,
  ).rows

softwareTest("KTO on unpaired rows: no gradient flows through the mismatched completions", (context) =>
  compareLora(context, { method: "kto", desirableWeight: 1.5 }, unpaired),
)

softwareTest("TDPO1 through both divergences", (context) => compareLora(context, { method: "tdpo", tdpoVariant: 1 }))

softwareTest("TDPO2 through the rejected divergence, under Gemma 2's soft cap", (context) =>
  compareLora(context, { method: "tdpo", tdpoVariant: 2, tdpoAlpha: 0.7 }, undefined, tinyFamilyConfig("gemma2")),
)

softwareTest("TDPO in a full fine-tune, against a frozen copy: the head's gradient has both parts", async (context) => {
  const config = tinyConfig({ tie_word_embeddings: false })
  const [before, after] = [randomDecoder(config, 33, 1.5), randomDecoder(config, 34, 1.5)]
  const policy = createDecoder(context, { config, tensors: after }, { positionCount: 32, train: "weights" })
  const reference = createDecoder(context, { config, tensors: before }, { positionCount: 32 })
  const rows = await referenced(context, reference, randomRows(config, STEP_LENGTHS))
  const options: StepOptions = { method: "tdpo", tdpoVariant: 1 }
  const models = [after, before].map((tensors) => ({ weights: weightValues(tensors) }))
  const expected = methodStep(config, models[0]!, models[1]!, rows, options)
  const { loss, gradient } = await deviceGradient(context, policy, rows, options, { reference })
  expect(Math.abs(loss.loss - expected.loss.loss)).toBeLessThan(1e-4 * Math.max(1, expected.loss.loss))
  for (const [name, values] of expected.gradients) {
    expect(relativeError(gradient.get(name)!, values), name).toBeLessThan(TOLERANCE)
  }
  reference.release()
  policy.release()
})

test("the twin's TDPO gradients agree with finite differences of the written-out loss", () => {
  const config = tinyConfig({ hidden_size: 16, head_dim: 4, intermediate_size: 12, num_hidden_layers: 1 })
  const weights = weightValues(randomDecoder(config, 35, 1.5))
  const { modules, scaling, settings } = randomAdapter(config, 2, 36)
  const rows = randomRows(config, STEP_LENGTHS.slice(0, 3))
  const modelWith = (changed: typeof modules): StepModel => ({
    weights,
    adapter: { modules: changed, scaling, rank: settings.rank },
  })
  const random = seededRandom(37)
  for (const options of [
    { method: "tdpo", tdpoVariant: 1, beta: 0.2 },
    { method: "tdpo", tdpoVariant: 2, beta: 0.2, tdpoAlpha: 0.6 },
  ] as const) {
    const start = methodStep(config, modelWith(modules), { weights }, rows, options)
    const stopped = responseSums(rows, start.divergences)
    /** −log σ(β[Δ − α(D_l − D_w)]), D_w of variant 2 held where it was. */
    const lossWith = (changed: typeof modules): number => {
      const { policy, reference, divergences } = methodStep(config, modelWith(changed), { weights }, rows, options)
      const ofDivergence = responseSums(rows, divergences)
      const ofPolicy = responseSums(rows, policy.logProbs)
      const ofReference = responseSums(rows, reference.logProbs)
      const losses = rows.map((_, i) => {
        const ratio = ofPolicy[i]!.chosen - ofReference[i]!.chosen - (ofPolicy[i]!.rejected - ofReference[i]!.rejected)
        const isFirst = options.tdpoVariant === 1
        const chosen = isFirst ? ofDivergence[i]!.chosen : stopped[i]!.chosen
        const alpha = isFirst ? 1 : options.tdpoAlpha
        return -logSigmoid(options.beta * (ratio - alpha * (ofDivergence[i]!.rejected - chosen)))
      })
      return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
    }
    expect(lossWith(modules)).toBeCloseTo(start.loss.loss, 12)
    for (const [path, module] of modules) {
      for (const letter of ["a", "b"] as const) {
        const index = Math.floor(random() * module[letter].length)
        const shifted = (shift: number) => {
          const values = Float64Array.from(module[letter])
          values[index]! += shift
          return lossWith(new Map(modules).set(path, { ...module, [letter]: values }))
        }
        const slope = (shifted(1e-4) - shifted(-1e-4)) / 2e-4
        const expected = start.gradients.get(`${path}.lora_${letter.toUpperCase()}`)![index]!
        expect(Math.abs(slope - expected), `${path} ${letter}[${index}]`).toBeLessThan(1e-6)
      }
    }
  }
})
