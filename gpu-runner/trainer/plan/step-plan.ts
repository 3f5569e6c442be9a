// How a run's steps are computed within the device's memory: tokens of a micro-batch, whether rows keep gradients of their own, whether
// activations are checkpointed. Candidates are tried from the fastest on; the first whose rehearsal fits is taken.
import { type Rows, rowTokens, shapesOf, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Lane } from "#gpu-runner/device/open-device.ts"
import type { Decoder, DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { needsReferenceModel } from "#shared/methods/methods.ts"
import { NotEnoughMemory } from "../errors.ts"
import { canKeepRowGradients } from "../step/direct-step.ts"
import { stepDirections } from "../step/step-directions.ts"
import { deviceBudgetBytes, fittingKinds } from "./device-budget.ts"
import { type RehearsedRun, rehearseRun } from "./rehearse-run.ts"
import { type RehearsedStep, rehearsedStepBytes, type StepBytes } from "./rehearse-step.ts"

export interface StepPlan {
  /** Most tokens of a micro-batch. */
  readonly tokens: number
  readonly checkpointing: boolean
  /** Steps of several micro-batches keep each row's gradient, and compute no forward pass twice. */
  readonly keepsRowGradients: boolean
  /** What stays on the device, and what a step takes besides at its peak; scoring as many tokens takes less. */
  readonly fixedBytes: number
  readonly stepBytes: number
  /** What a step holds where there is room: `stepBytes`, and buffers that wait for reuse. */
  readonly heldBytes: number
  /** What the run may take of the device; undefined where the device does not tell and nothing was said. */
  readonly budgetBytes: number | undefined
}

type PlannedConfig = TrainConfig & { readonly batch: number }

/** The run whose steps are planned. */
export interface PlannedRun {
  /** Undefined where all weights are trained. */
  readonly adapter: Adapter | undefined
  readonly positionCount: number
  readonly hasReferenceCopy: boolean
  readonly rows: Rows
}

/** How the steps of a run are computed on this device. Nothing is allocated. Errors: NotEnoughMemory. */
export function planStep(
  context: OpContext,
  config: PlannedConfig,
  model: DecoderSource,
  { rows, ...run }: PlannedRun,
): StepPlan {
  const reference = run.hasReferenceCopy ? "copy" : needsReferenceModel(config) ? "base" : "none"
  const { optimiser, loraDropout } = config
  const heldAs = (baseWeights: BaseWeights) =>
    rehearseRun(context, model, { ...run, optimiser, baseWeights, loraDropout, reference })
  const budgetBytes = deviceBudgetBytes(context.gpu, config)
  return fastestThatFits(context, { run: heldAs(config.baseWeights), heldAs, rows, config, budgetBytes })
}

interface StepPlanInputs {
  readonly run: RehearsedRun
  /** The same run with its base held otherwise. */
  readonly heldAs: (baseWeights: BaseWeights) => RehearsedRun
  readonly rows: Rows
  readonly config: PlannedConfig
  readonly budgetBytes: number | undefined
}

/** A larger micro-batch is no faster per token: the device is busy by then. */
const MOST_TOKENS: Readonly<Record<Lane, number>> = { gpu: 32_768, software: 2048, null: 2048 }
const FEWEST_TOKENS = 256
/** What a step may take on a device that does not tell its memory. */
const UNTOLD_STEP_BYTES = 2 ** 30

/** Errors: NotEnoughMemory, which names the length that would fit. */
function fastestThatFits(context: OpContext, inputs: StepPlanInputs): StepPlan {
  const { run, rows, config, budgetBytes } = inputs
  const { fixedBytes } = run
  const freeBytes = budgetBytes === undefined ? UNTOLD_STEP_BYTES : budgetBytes - fixedBytes
  const lengths = Uint32Array.from(shapesOf(rows), rowTokens)
  const ways = candidates(context, run.model, rows, lengths, config)
  const longest = longestRows(rows, lengths, Math.max(...ways.map(({ tokenBudget }) => tokenBudget)))
  const bytesOf = (way: RehearsedStep, among: readonly TokenRow[] = longest) =>
    rehearsedStepBytes(context, run.model, among, run.reads, way)
  const isUntold = budgetBytes === undefined
  for (const way of ways) {
    const { peakBytes: stepBytes, heldBytes } = bytesOf(way)
    const isTaken = stepBytes <= freeBytes || (isUntold && way === ways.at(-1) && Number.isFinite(stepBytes))
    if (!isTaken) continue
    const { tokenBudget: tokens, checkpointing, slotRows } = way
    return { tokens, checkpointing, keepsRowGradients: slotRows > 0, fixedBytes, stepBytes, heldBytes, budgetBytes }
  }
  throw tooLittle(inputs, lengths, ways.at(-1)!, freeBytes, bytesOf)
}

/** Numbers of rows by their length, the longest first; of equal ones the first. */
const byLength = (lengths: Uint32Array): Uint32Array =>
  Uint32Array.from(lengths, (_, row) => row).sort((left, right) => lengths[right]! - lengths[left]! || left - right)

/** The longest rows, one more than fit into a budget together. */
function longestRows(rows: Rows, lengths: Uint32Array, tokenBudget: number): readonly TokenRow[] {
  const found: TokenRow[] = []
  let tokens = 0
  for (const row of byLength(lengths)) {
    found.push(rows.at(row)!)
    tokens += lengths[row]!
    if (tokens > tokenBudget) break
  }
  return found
}

/** From the fastest to the smallest. */
function candidates(
  context: OpContext,
  model: Decoder,
  rows: Rows,
  lengths: Uint32Array,
  config: PlannedConfig,
): readonly RehearsedStep[] {
  const sorted = lengths.toSorted()
  const whole = sorted.subarray(-config.batch).reduce((sum, length) => sum + length, 0)
  const given = config.tokensPerMicroBatch
  const budgets = given === undefined ? ladder(sorted.at(-1)!, whole, MOST_TOKENS[context.gpu.lane]) : [given]
  const slotRows = slotRowsOf(context, model, rows, config)
  const kinds = { never: [false], always: [true], auto: [false, true] }[config.checkpointing]
  return kinds.flatMap((checkpointing) => {
    const inOne = budgets.filter((tokens) => tokens >= whole)
    const cut = budgets.filter((tokens) => tokens < whole)
    const way = (slots: number) => (tokenBudget: number) => ({ tokenBudget, checkpointing, slotRows: slots })
    return [...inOne.map(way(0)), ...(slotRows > 0 ? cut.map(way(slotRows)) : []), ...cut.map(way(0))]
  })
}

/** The whole step if that is not too many tokens, then powers of two down to the longest row. */
function ladder(longest: number, whole: number, most: number): readonly number[] {
  const first = Math.min(whole, Math.max(most, longest))
  const budgets = [first]
  for (let tokens = 2 ** Math.ceil(Math.log2(first) - 1); tokens > Math.max(longest, FEWEST_TOKENS); tokens /= 2) {
    budgets.push(tokens)
  }
  return longest < budgets.at(-1)! ? [...budgets, longest] : budgets
}

/** Rows that need slots in a step of several micro-batches; 0 where their gradients have no direction, or slots cannot be bound. */
function slotRowsOf(context: OpContext, model: Decoder, rows: Rows, config: PlannedConfig): number {
  const directions =
    config.loraRank > 0 ? stepDirections([rows.at(0)!], config, { keepsRowGradients: true }) : undefined
  const slotRows = Math.min(config.batch, rows.length)
  return directions && !directions.isFinal && canKeepRowGradients(context, model, slotRows) ? slotRows : 0
}

/** Says what would fit: the longest row that does by itself, found by halving. */
function tooLittle(
  { run, heldAs, rows, config, budgetBytes }: StepPlanInputs,
  lengths: Uint32Array,
  smallest: RehearsedStep,
  freeBytes: number,
  bytesOf: (way: RehearsedStep, among?: readonly TokenRow[]) => StepBytes,
): NotEnoughMemory {
  const inOrder = byLength(lengths).reverse()
  const alone = (at: number) =>
    bytesOf({ ...smallest, tokenBudget: 1, slotRows: 0 }, [rows.at(inOrder[at]!)!]).peakBytes
  const tokensAt = (at: number) => lengths[inOrder.at(at)!]!
  let [fitting, tooLong] = [-1, inOrder.length]
  while (tooLong - fitting > 1) {
    const middle = Math.floor((fitting + tooLong) / 2)
    if (alone(middle) <= freeBytes) fitting = middle
    else tooLong = middle
  }
  const smallestBytes = bytesOf(smallest).peakBytes
  const neededBytes = run.fixedBytes + smallestBytes
  const bytesAs = (kind: BaseWeights) => heldAs(kind).fixedBytes + smallestBytes
  return new NotEnoughMemory({
    neededBytes,
    fixedBytes: run.fixedBytes,
    budgetBytes: budgetBytes ?? run.fixedBytes + freeBytes,
    tokens: Math.max(smallest.tokenBudget, tokensAt(-1)),
    fittingTokens: fitting < 0 ? undefined : tokensAt(fitting),
    longestFits: fitting === inOrder.length - 1,
    isCheckpointed: smallest.checkpointing,
    trainsAllWeights: config.loraRank === 0,
    fittingKinds:
      config.loraRank === 0 || fitting >= 0 ? [] : fittingKinds(bytesAs, neededBytes, run.fixedBytes + freeBytes),
  })
}
