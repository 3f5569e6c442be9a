// The typed failures of a training run. Each message says how to mend the cause.
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { byteSize } from "./quantities.ts"

/** Before the first step, policy and reference disagree: one of them is not what it claims to be. */
export class SelfTestFailed extends taggedError("SelfTestFailed") {}

/** Loss or gradient were not finite, more often in a row than the configuration allows. */
export class TrainingDiverged extends taggedError("TrainingDiverged") {
  constructor(step: number, what: string, steps: number) {
    const often = steps === 1 ? `at step ${step}` : `in ${steps} steps in a row, up to step ${step}`
    super(
      `${what} was not finite ${often}; lower learningRate, set maxGradNorm, or look for broken weights in the model. ` +
        "The last checkpoints are from before",
    )
  }
}

/** Not one step of the run was applied: what it would write is the model that it started from. */
export class NothingTrained extends taggedError("NothingTrained") {
  constructor(steps: number) {
    super(
      `${steps === 1 ? "the run's one step was" : `all ${steps} steps of the run were`} skipped, since loss or gradient were not finite, and nothing ` +
        "was learnt; lower learningRate, set maxGradNorm, or look for broken rows or weights",
    )
  }
}

/** The caller's signal was aborted. `again` goes on where it was. */
export class TrainingAborted extends taggedError<"TrainingAborted", { step: number }>("TrainingAborted") {
  constructor(step: number, again = "--resume") {
    super(`training was stopped before step ${step + 1}; ${again} goes on from there`, { step })
  }
}

/** A checkpoint belongs to another run than the one that is asked for. */
export class CheckpointMismatch extends taggedError("CheckpointMismatch") {}

/** The output folder holds an interrupted run and nothing was said about it. */
export class UnfinishedRun extends taggedError("UnfinishedRun") {
  constructor(directory: string) {
    super(`${directory} holds an unfinished run; add --resume to go on with it, or choose another --out`)
  }
}

/** The configuration does not fit the model or the data. */
export class UnusableConfig extends taggedError("UnusableConfig") {}

/** The device was lost again and again, and no checkpoint was written in between. */
export class DeviceUnreliable extends taggedError("DeviceUnreliable") {
  constructor(losses: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(
      `the GPU device was lost ${losses} times without a new checkpoint in between; look for driver resets or too little memory, lower ` +
        `tokensPerMicroBatch or checkpointEvery, then go on with --resume. The last loss: ${reason}`,
      { cause },
    )
  }
}

/** A finished cell of a sweep is not the one that is asked for. */
export class SweepMismatch extends taggedError("SweepMismatch") {
  constructor(directory: string) {
    super(`${directory} holds a run of another configuration or other data; remove it, or choose another --out`)
  }
}

export interface MemoryShortage {
  readonly neededBytes: number
  /** Of these: weights, gradients and moments. */
  readonly fixedBytes: number
  readonly budgetBytes: number
  /** Of the micro-batch that does not fit. */
  readonly tokens: number
  /** Tokens of the longest row that would fit by itself; undefined where none would. */
  readonly fittingTokens: number | undefined
  readonly longestFits: boolean
  readonly isCheckpointed: boolean
  /** Without an adapter: no frozen base that could be held in fewer bits. */
  readonly trainsAllWeights: boolean
  /** Kinds of base weights with which the run would fit. */
  readonly fittingKinds: readonly HeldAs[]
}

/** A kind of base weights, and what a run would take with it. */
export interface HeldAs {
  readonly kind: BaseWeights
  readonly bytes: number
}

/**
 * The run does not fit into the device's memory, however its steps are cut. Said before anything is uploaded. `finding` says what does
 * not fit, without the keys of the configuration that would mend it.
 */
export class NotEnoughMemory extends taggedError<"NotEnoughMemory", { finding: string }>("NotEnoughMemory") {
  constructor(shortage: MemoryShortage) {
    const finding = findingOf(shortage)
    // No memory is enough for a tensor that cannot be bound.
    const more = Number.isFinite(shortage.neededBytes) ? ", or raise deviceMemoryGb if the device has more" : ""
    super(`${finding}; ${mendOf(shortage)}${more}`, { finding })
  }
}

/** A model that only scores does not fit into the device's memory. Said before anything is uploaded. */
export class ModelTooLarge extends taggedError("ModelTooLarge") {
  constructor(weightBytes: number, budgetBytes: number, fittingKinds: readonly HeldAs[]) {
    const held =
      fittingKinds.length === 0
        ? ""
        : `hold the base as ${alternatives(fittingKinds)} (--base-weights, a dataset's reference.precision), or `
    super(
      `the weights alone need ${byteSize(weightBytes)}, and scoring may take ${byteSize(budgetBytes)} of the device; ${held}score on a larger device`,
    )
  }
}

/** The reference that a job asks for is not this model's in the precision that it names. */
export class ReferenceNotOfModel extends taggedError("ReferenceNotOfModel") {
  constructor(asked: string, found: string) {
    super(
      `the job asks for reference ${asked.slice(0, 12)}…, and this model's is ${found.slice(0, 12)}…: weights, tokenizer or template differ; bring runner and workers to one version and start the run again`,
    )
  }
}

/** f16 (17.2 GB), int8 (8.59 GB) or nf4 (5.05 GB) */
function alternatives(kinds: readonly HeldAs[]): string {
  const words = kinds.map(({ kind, bytes }) => `${kind} (${byteSize(bytes)})`)
  return [words.slice(0, -1).join(", "), ...words.slice(-1)].filter((part) => part !== "").join(" or ")
}

function findingOf({ neededBytes, fixedBytes, budgetBytes, tokens }: MemoryShortage): string {
  const batch = `a micro-batch of ${tokens} tokens needs`
  if (!Number.isFinite(neededBytes)) return `${batch} tensors larger than the device can bind`
  const held = `${byteSize(fixedBytes)} of it for weights, gradients and moments`
  return `${batch} ${byteSize(neededBytes)}, ${held}, and the run may take ${byteSize(budgetBytes)}`
}

function mendOf(shortage: MemoryShortage): string {
  const { fixedBytes, budgetBytes, fittingTokens, fittingKinds, longestFits, isCheckpointed, trainsAllWeights } =
    shortage
  const checkpoint = isCheckpointed ? "" : 'set checkpointing to "auto", or '
  if (fittingTokens === undefined) {
    if (trainsAllWeights) return `${checkpoint}train an adapter (loraRank), or take optimiser "adamw-8bit"`
    const held = fittingKinds.length === 0 ? "" : `hold the base as baseWeights ${alternatives(fittingKinds)}, or `
    const length = fixedBytes < budgetBytes ? "maxLength or " : ""
    return `${checkpoint}${held}lower ${length}loraRank, or take a smaller base`
  }
  if (longestFits) return `${checkpoint}lower tokensPerMicroBatch to ${fittingTokens}, or leave it out`
  return `${checkpoint}lower maxLength: rows of up to ${fittingTokens} tokens, prompt and responses together, would fit`
}
