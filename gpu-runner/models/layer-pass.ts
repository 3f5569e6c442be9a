// What every part of one layer computes with, forward and backward alike: a layer's blocks and their linear layers and norms take it whole.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { AdapterDropout } from "./adapter-dropout.ts"
import type { LaidOutBatch, PredictingTokens } from "./laid-out-batch.ts"

export interface LayerPass {
  readonly context: OpContext
  readonly config: DecoderConfig
  readonly batch: LaidOutBatch
  /** Of this micro-batch; undefined in passes that drop nothing. */
  readonly dropout: AdapterDropout | undefined
  /** The tokens that the layer's result is of, where these are not all: in the last layer. */
  readonly predicting: PredictingTokens | undefined
}
