// What every part of one layer computes with, forward and backward alike: a layer's blocks and their linear layers and norms take it whole.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { AttentionInputs } from "#gpu-runner/ops/attention/attention.ts"
import type { RowGroups } from "#gpu-runner/ops/rows/rows.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { AdapterDropout } from "./adapter-dropout.ts"
import type { LaidOutBatch, PredictingTokens } from "./laid-out-batch.ts"

/** The rows of a pass that one of the model's voices (see Linear) computes. */
export interface VoiceRows {
  /** Its place in Linear.voices. */
  readonly voice: number
  /** u32 [R], rising */
  readonly rows: Tensor
  /** From [R, …] back to [T, …] */
  readonly groups: RowGroups
  /** The same rows, where they stand one after the other: then they need not be gathered. */
  readonly consecutive: { readonly first: number; readonly count: number } | undefined
}

/** What a pass that generates does otherwise in a layer than one that scores. It has no backward pass. */
export interface GenerationPass {
  /**
   * In place of attention over the batch's own rows, [T, H·D]: it may keep keys and values, or take those that were kept. Query and key
   * come unrotated, with the layer's table.
   */
  readonly attend: (inputs: AttentionInputs, ropeTable: Tensor) => Tensor
  /** Each row of at most one voice; rows of none are the base's. */
  readonly voices: readonly VoiceRows[]
}

export interface LayerPass {
  readonly context: OpContext
  readonly config: DecoderConfig
  readonly batch: LaidOutBatch
  /** Undefined in passes that drop nothing. */
  readonly dropout: AdapterDropout | undefined
  /** The tokens that the layer's result is of, where these are not all: in the last layer. */
  readonly predicting: PredictingTokens | undefined
  /** Undefined in passes that score or train. */
  readonly generation?: GenerationPass | undefined
}
