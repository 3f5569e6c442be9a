// How a run's steps are computed within the device's memory: tokens of a micro-batch, whether rows keep gradients of their own, whether
// activations are checkpointed. Candidates are tried from the fastest on; the first whose rehearsal fits is taken.
import { rowTokens, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { slotBytes } from "#gpu-runner/models/row-gradients.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { NotEnoughMemory } from "./errors.ts"
import type { DistributionReads } from "./step/score-rows.ts"
import { stepDirections } from "./step/step-directions.ts"
import { rehearsedStepBytes } from "./step/step-memory.ts"

export interface StepPlan {
  /** Most tokens of a micro-batch. */
  readonly tokens: number
  readonly checkpointing: boolean
  /** Steps of several micro-batches keep each row's gradient, and compute no forward pass twice. */
  readonly keepsRowGradients: boolean
  /** What a step takes at its peak, besides weights, gradients and moments. */
  readonly stepBytes: number
}

export interface StepPlanInputs {
  readonly gpu: GpuDevice
  /** Of shapes alone: see standInDecoder. */
  readonly model: Decoder
  readonly reads: DistributionReads
  readonly rows: readonly TokenRow[]
  readonly config: TrainConfig
  /** Weights, gradients, moments and whatever else stays. */
  readonly fixedBytes: number
  /** What the run may take of the device. */
  readonly budgetBytes: number
}

/** A larger micro-batch is no faster per token: the device is busy by then. */
const MOST_TOKENS = { gpu: 32_768, software: 2048, null: 2048 } as const
const FEWEST_TOKENS = 256

interface Candidate {
  readonly tokens: number
  readonly checkpointing: boolean
  readonly slotRows: number
}

/** The fastest way that fits. Errors: NotEnoughMemory, which names the length that would fit. */
export function planStep(inputs: StepPlanInputs): StepPlan {
  const stepBytesOf = ({ tokens, ...way }: Candidate, rows = inputs.rows) =>
    rehearsedStepBytes(inputs.gpu, inputs.model, rows, inputs.reads, { tokenBudget: tokens, ...way })
  const freeBytes = inputs.budgetBytes - inputs.fixedBytes
  for (const candidate of candidates(inputs)) {
    const stepBytes = stepBytesOf(candidate)
    if (stepBytes > freeBytes) continue
    const { tokens, checkpointing, slotRows } = candidate
    return { tokens, checkpointing, keepsRowGradients: slotRows > 0, stepBytes }
  }
  throw tooLittle(inputs, freeBytes, stepBytesOf)
}

/** From the fastest to the smallest. */
function candidates({ gpu, model, rows, config }: StepPlanInputs): readonly Candidate[] {
  const lengths = rows.map(rowTokens).sort((left, right) => right - left)
  const whole = lengths.slice(0, config.batch).reduce((sum, length) => sum + length, 0)
  const tokenCounts = config.tokensPerMicroBatch
    ? [config.tokensPerMicroBatch]
    : ladder(lengths[0]!, whole, MOST_TOKENS[gpu.lane])
  const slotRows = slotRowsOf(gpu, model, rows, config)
  const ways = { never: [false], always: [true], auto: [false, true] }[config.checkpointing]
  return ways.flatMap((checkpointing) => {
    const inOneBatch = tokenCounts.filter((tokens) => tokens >= whole)
    const cut = tokenCounts.filter((tokens) => tokens < whole)
    return [
      ...inOneBatch.map((tokens) => ({ tokens, checkpointing, slotRows: 0 })),
      ...(slotRows > 0 ? cut.map((tokens) => ({ tokens, checkpointing, slotRows })) : []),
      ...cut.map((tokens) => ({ tokens, checkpointing, slotRows: 0 })),
    ]
  })
}

/** The whole step if it may be, then powers of two down to the longest row. */
function ladder(longest: number, whole: number, most: number): number[] {
  const steps = [Math.min(whole, Math.max(most, longest))]
  for (let tokens = 2 ** Math.floor(Math.log2(steps[0]!)); tokens > Math.max(longest, FEWEST_TOKENS); tokens /= 2) {
    if (tokens < steps.at(-1)!) steps.push(tokens)
  }
  return [...steps, ...(longest < steps.at(-1)! ? [longest] : [])]
}

/** Rows that need slots in a step of several micro-batches: 0 where their gradients have no direction, or the slots cannot be bound. */
function slotRowsOf(gpu: GpuDevice, model: Decoder, rows: readonly TokenRow[], config: TrainConfig): number {
  const directions = config.loraRank > 0 ? stepDirections(rows.slice(0, 1), config) : undefined
  const slotRows = Math.min(config.batch, rows.length)
  const fits = slotRows * slotBytes(model).largest <= gpu.limits.maxStorageBufferBindingSize
  return directions && !directions.isFinal && fits ? slotRows : 0
}

/** Says what would fit: the longest row that does, found by halving. */
function tooLittle(
  { rows, config, fixedBytes, budgetBytes }: StepPlanInputs,
  freeBytes: number,
  stepBytesOf: (candidate: Candidate, rows: readonly TokenRow[]) => number,
): NotEnoughMemory {
  const checkpointing = config.checkpointing !== "never"
  const byLength = rows.toSorted((left, right) => rowTokens(left) - rowTokens(right))
  let [fitting, tooLong] = [-1, byLength.length - 1]
  while (tooLong - fitting > 1) {
    const middle = Math.floor((fitting + tooLong) / 2)
    const row = byLength[middle]!
    const bytes = stepBytesOf({ tokens: rowTokens(row), checkpointing, slotRows: 0 }, [row])
    if (bytes <= freeBytes) fitting = middle
    else tooLong = middle
  }
  const longest = byLength.at(-1)!
  const needed = stepBytesOf({ tokens: config.tokensPerMicroBatch ?? rowTokens(longest), checkpointing, slotRows: 0 }, rows)
  return new NotEnoughMemory({
    neededBytes: fixedBytes + needed,
    fixedBytes,
    budgetBytes,
    longestRowTokens: rowTokens(longest),
    fittingRowTokens: fitting < 0 ? undefined : rowTokens(byLength[fitting]!),
    mayCheckpoint: config.checkpointing === "never",
    isCutByUser: config.tokensPerMicroBatch !== undefined && config.tokensPerMicroBatch > rowTokens(longest),
  })
}
