// What a decoder here cannot compute, refused before anything is uploaded.
import { checkModelTensors, type DecoderConfig, InvalidModel } from "#shared/formats/families/decoder-config.ts"
import type { Tensor } from "#shared/formats/weights/tensor.ts"

interface NamedWeights {
  readonly config: DecoderConfig
  readonly tensors: ReadonlyMap<string, Tensor>
}

const MOST_HEAD_SIZE = 256

/** Whether the model can be computed up to this many positions. Errors: InvalidModel. */
export function checkSource({ config, tensors }: NamedWeights, positionCount: number): void {
  checkModelTensors(config, tensors)
  checkHeadSize(config)
  checkPositions(config, positionCount)
}

/** Attention reads heads four elements at a time, and holds one in registers. */
function checkHeadSize({ headSize }: DecoderConfig): void {
  if (headSize % 4 === 0 && headSize <= MOST_HEAD_SIZE) return
  throw new InvalidModel(
    `config.json: head_dim ${headSize} is not supported, only multiples of 4 up to ${MOST_HEAD_SIZE}; use another model`,
  )
}

/**
 * Under `dynamic` rope scaling a sequence longer than the model's maximum has frequencies that follow from its own length: a prompt
 * that two responses share would need two of them. Up to the maximum they are the unscaled ones, which is exact.
 */
function checkPositions({ layers, maxPositions }: DecoderConfig, positionCount: number): void {
  if (positionCount <= maxPositions || layers.every(({ rope }) => rope.scaling?.type !== "dynamic")) return
  throw new InvalidModel(
    `rows of ${positionCount} tokens are longer than max_position_embeddings ${maxPositions}, where rope type "dynamic" gives each ` +
      `sequence frequencies of its own, which is not supported; set maxLength to at most ${maxPositions}`,
  )
}
