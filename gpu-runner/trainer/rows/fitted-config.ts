// The configuration's keys whose defaults depend on the rows and the model: batch, epochs and the rate. What is written stays as it is.

import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { trainLoopFault } from "#shared/domain/TrainLoop.ts"
import { definitionOf } from "#shared/methods/methods.ts"
import { UnusableConfig } from "../errors.ts"

export interface Fit {
  readonly rowCount: number
  /** Of the model's layers: C. */
  readonly hiddenSize: number
}

export type FittedConfig = TrainConfig & {
  readonly learningRate: number
  readonly batch: number
  readonly epochs: number
}

const FEWEST_PAIRS = 4
const MOST_PAIRS = 32
/** An epoch is cut into about so many steps, where that leaves batches between the two above. */
const STEPS_AN_EPOCH = 16
/** A run of fewer steps passes over its rows again. */
const ENOUGH_STEPS = 100
const MOST_EPOCHS = 3

const FULL_RATE = 1e-6
/**
 * LoRA's rate times the model's width. Adam moves every weight of a fresh B by about the rate a step, and what that does to a layer's
 * outputs grows with their number, so that wider models want less, as under maximal update parametrisation (arXiv 2203.03466). Measured on
 * the demo's model (docs/options.md); 1.25e-4 at a width of 2048 and 6e-5 at 4096 lie within what others use for preference methods.
 */
const LORA_RATE_TIMES_WIDTH = 0.256

/** Errors: UnusableConfig where the schedule's keys do not go with the rate. */
export function fittedConfig(config: TrainConfig, { rowCount, hiddenSize }: Fit): FittedConfig {
  const batch = config.batch ?? fittingBatch(rowCount)
  const epochs = config.epochs ?? fittingEpochs(Math.ceil(rowCount / batch))
  const fitted = { ...config, batch, epochs, learningRate: config.learningRate ?? fittingRate(config, hiddenSize) }
  const fault = trainLoopFault(fitted)
  if (fault !== undefined) throw new UnusableConfig(fault)
  return fitted
}

/** A power of two. */
function fittingBatch(rowCount: number): number {
  const wished = 2 ** Math.floor(Math.log2(Math.max(1, rowCount / STEPS_AN_EPOCH)))
  return Math.min(MOST_PAIRS, Math.max(FEWEST_PAIRS, wished))
}

function fittingEpochs(stepsPerEpoch: number): number {
  return Math.min(MOST_EPOCHS, Math.ceil(ENOUGH_STEPS / stepsPerEpoch))
}

function fittingRate({ method, loraRank }: TrainConfig, hiddenSize: number): number {
  const { learningRate } = definitionOf(method)
  if (learningRate) return learningRate[loraRank > 0 ? "lora" : "full"]
  return loraRank > 0 ? LORA_RATE_TIMES_WIDTH / hiddenSize : FULL_RATE
}
