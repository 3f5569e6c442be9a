// A decoder of shapes alone, for rehearsals (device/rehearsal.ts): it can be run forward and backward there, and holds nothing.
import { standIn } from "#gpu-runner/device/rehearsal.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/decoder-config.ts"
import { type Adapter, adapterTensorName } from "#shared/formats/peft.ts"
import { assembleDecoder, type Decoder, lowRanksOf, matrixShape, type Weights } from "./decoder-parameters.ts"
import { trainedMatrix } from "./frozen-weight.ts"

export interface StandInOptions {
  readonly positionCount: number
  readonly adapter: Adapter | undefined
  readonly train: "adapter" | "weights" | "nothing"
}

/** Products are taken as of f32 matrices: nothing that a packed one needs besides itself is kept. */
export function standInDecoder(config: DecoderConfig, { positionCount, adapter, train }: StandInOptions): Decoder {
  const weights: Weights = { vectors: new Map(), matrices: new Map() }
  const isTrained = train === "weights"
  for (const [name, shape] of decoderTensorShapes(config)) {
    const value = standIn(shape, name)
    const gradient = isTrained ? standIn(shape, name) : undefined
    if (shape.length === 1) weights.vectors.set(name, { value, gradient })
    else if (gradient) weights.matrices.set(name, trainedMatrix(value, gradient))
    else weights.matrices.set(name, { stored: trainedMatrix(value, value).stored })
  }
  const lowRanks = lowRanksOf(config, adapter, (path, letter) => {
    const shape = matrixShape(adapter!.modules.get(path)!, adapter!.settings.rank, letter)
    const name = adapterTensorName(path, letter)
    return { value: standIn(shape, name), gradient: train === "adapter" ? standIn(shape, name) : undefined }
  })
  const table: Tensor = standIn([positionCount, config.headSize], "rope.table")
  const ropeTables = config.layers.map(() => table)
  return { ...assembleDecoder(config, weights, lowRanks, ropeTables), trained: undefined, release: () => undefined }
}
