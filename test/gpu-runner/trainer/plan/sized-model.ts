// Models and adapters that have sizes and no contents.
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { type Adapter, adapterModuleShapes, TARGET_MODULES } from "#shared/formats/peft/adapter.ts"
import type { SafetensorsDtype, Tensor } from "#shared/formats/weights/tensor.ts"

const NO_DATA = new Uint8Array(0)

/** A checkpoint of which only names, shapes and dtypes matter. */
export function checkpoint(config: DecoderConfig, dtype: SafetensorsDtype) {
  const tensors = [...decoderTensorShapes(config)].map(([name, shape]): [string, Tensor] => [
    name,
    { name, dtype, shape, data: NO_DATA },
  ])
  return { config, tensors: new Map(tensors) }
}

/** An adapter whose matrices have lengths and no contents. */
export function sizedAdapter(config: DecoderConfig, rank: number): Adapter {
  const length = (count: number) => ({ length: count }) as unknown as Float32Array
  const shapes = adapterModuleShapes(config, TARGET_MODULES)
  const modules = new Map(
    [...shapes].map(([path, shape]) => [path, { a: length(rank * shape.in), b: length(rank * shape.out) }]),
  )
  const settings = { baseModel: "", rank, alpha: rank, targetModules: TARGET_MODULES, useRankStabilisedScaling: false }
  return { settings, scaling: 1, modules }
}
