// A model of random weights with everything that the trainer's own step needs, for benchmarks of whole steps.
import { Result } from "effect"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder, type Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import { AdamwState, adamwLayout } from "#gpu-runner/optimiser/adamw-state.ts"
import { scoringTokenBudget } from "#gpu-runner/trainer/plan/scoring-budget.ts"
import { planStep, type StepPlan } from "#gpu-runner/trainer/plan/step-plan.ts"
import { freshAdapter } from "#gpu-runner/trainer/run/fresh-adapter.ts"
import { applyGradient, type Update } from "#gpu-runner/trainer/step/apply-gradient.ts"
import { gradientStep, type StepGradient } from "#gpu-runner/trainer/step/gradient-step.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { stepDirections } from "#gpu-runner/trainer/step/step-directions.ts"
import type { LossOf } from "#gpu-runner/trainer/step/step-inputs.ts"
import { batchLoss } from "#gpu-runner/trainer/step/step-loss.ts"
import { decodeTrainConfig, type TrainConfig } from "#shared/domain/TrainConfig.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import type { Pass } from "./flops.ts"
import { randomModel, randomValues } from "./random-model.ts"
import type { RoundOptions } from "./rounds.ts"

export interface SessionOptions {
  readonly model: DecoderConfig
  /** "nothing" for a model that only scores. */
  readonly trains: Pass["trains"]
  /** Of the adapter; 0 for none. */
  readonly rank: number
  readonly baseWeights: BaseWeights
  /** Of the trainer: α-DPO on pairs, sft on sequences. */
  readonly method: "alpha-dpo" | "sft"
  /** Positions of the longest row. */
  readonly positionCount: number
  /** Steps that will be taken: what does not fit is refused before anything is uploaded. */
  readonly steps?: readonly (readonly TokenRow[])[]
  /** Told after each tensor of the base. */
  readonly onUploaded?: ((done: number, total: number) => void) | undefined
}

/** How steps are timed, and who is told of the upload before. */
export type SessionRounds = Omit<RoundOptions, "deviceClock"> & Pick<SessionOptions, "onUploaded">

export interface TrainingSession {
  readonly context: OpContext
  readonly policy: Decoder
  readonly config: TrainConfig
  /** How the trainer takes a step of these rows on this device. */
  readonly planFor: (rows: readonly TokenRow[]) => StepPlan
  readonly lossOf: LossOf
  /** The trainer's gradient of one optimiser step on these rows. */
  readonly gradient: (rows: readonly TokenRow[]) => Promise<StepGradient>
  /** Log-probs of the rows, as `yohaku score` computes them. */
  readonly score: (rows: readonly TokenRow[]) => Promise<void>
  /** Clips and applies a gradient by AdamW, without waiting. Throws where that of the step before was not finite. */
  readonly apply: (gradient: StepGradient) => void
  readonly release: () => void
}

/** Uploads the model. Errors: NotEnoughMemory, and those of createDecoder. */
export function openSession(context: OpContext, options: SessionOptions): TrainingSession {
  const { model, trains, baseWeights, positionCount } = options
  const config = trainerConfig(options)
  const source = randomModel(model)
  const adapter = options.rank === 0 ? undefined : movedAdapter(model, config)
  const plans = new Map<readonly TokenRow[], StepPlan>()
  const planFor = (rows: readonly TokenRow[]) => {
    const run = { adapter, positionCount, hasReferenceCopy: false, rows, heldOut: [] }
    const plan = plans.get(rows) ?? planStep(context, { ...config, batch: rows.length }, source, run)
    plans.set(rows, plan)
    return plan
  }
  for (const rows of trains === "nothing" ? [] : (options.steps ?? [])) planFor(rows)
  const policy = createDecoder(context, source, {
    positionCount,
    adapter,
    train: trains,
    baseWeights,
    bankLayout: adamwLayout(config.optimiser),
    onUploaded: options.onUploaded,
  })
  const optimiser = policy.trained && new AdamwState(context, policy.trained.shards, config.optimiser)
  let updates = 0
  // A step's norm comes with the scores of the next.
  let last: Update | undefined
  const checkLast = () => {
    if (last && !Number.isFinite(last.gradientNorm)) throw new Error(`step ${updates} has no finite gradient`)
  }
  const lossOf: LossOf = (rows, scores) => batchLoss(rows, scores, initialGapStatistics, config)
  return {
    context,
    policy,
    config,
    planFor,
    lossOf,
    gradient: (rows) => {
      const plan = planFor(rows)
      const { tokens: tokenBudget, checkpointing } = plan
      const directions = stepDirections(rows, config, plan)
      return gradientStep(context, policy, { rows, tokenBudget, checkpointing, directions, lossOf })
    },
    score: async (rows) => {
      await scoreRows(context, policy, rows, { tokenBudget: scoringTokenBudget(model, context.gpu) })
    },
    apply: (gradient) => {
      checkLast()
      const facts = { updates, learningRate: LEARNING_RATE }
      last = applyGradient(context, policy, optimiser!, config, gradient, facts)
      updates += 1
    },
    release: () => {
      optimiser?.release()
      policy.release()
    },
  }
}

const LEARNING_RATE = 1e-6

function trainerConfig({ rank, method, trains, baseWeights }: SessionOptions): TrainConfig {
  const frozen = trains === "adapter" ? { baseWeights } : {}
  return Result.getOrThrow(decodeTrainConfig({ method, loraRank: rank, learningRate: LEARNING_RATE, ...frozen }))
}

/** B is no longer zero, as after some steps: zeros would make products cheaper on some devices. */
export function movedAdapter(model: DecoderConfig, config: TrainConfig): Adapter {
  const fresh = freshAdapter(model, config, "random")
  const modules = [...fresh.modules].map(([path, { a, b }]) => [path, { a, b: randomValues(b.length, 1e-3) }] as const)
  return { ...fresh, modules: new Map(modules) }
}

/** Rows of random tokens with these lengths. References are given, as a cache gives them. */
export function randomRows(model: DecoderConfig, lengths: readonly PairLengths[]): TokenRow[] {
  const random = new SeededRandom(4, "bench rows")
  const ids = (length: number) => Uint32Array.from({ length }, () => random.bits() % model.vocabularySize)
  // What a random model says of a token: close to the uniform log-prob.
  const guess = -Math.log(model.vocabularySize)
  const reference = (count: number) => ({ sum: count * guess * (1 + 0.01 * (random.unit() - 0.5)), count })
  return lengths.map(({ promptLength, chosenLength, rejectedLength }, index) => ({
    id: `row-${index}`,
    promptIds: ids(promptLength),
    chosenIds: ids(chosenLength),
    rejectedIds: ids(rejectedLength),
    weight: 1,
    reference: { chosen: reference(chosenLength), rejected: reference(rejectedLength) },
  }))
}
