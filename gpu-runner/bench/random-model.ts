// A checkpoint of random bf16 weights that is never held as a whole: each tensor's bytes are made when they are asked for, so that a
// model of 8 B parameters needs no more memory on the host than its largest matrix.

import type { OpContext } from "#gpu-runner/device/context.ts"
import { type Tensor as DeviceTensor, elementCount } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import type { DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { narrowBFloat16 } from "#shared/formats/weights/half-float.ts"
import { type HostMatrix, isQuantised, storeMatrix } from "#shared/formats/weights/quantisation.ts"
import type { Tensor } from "#shared/formats/weights/tensor.ts"

/** Of weights, as transformers initialises linear layers. */
export const WEIGHT_DEVIATION = 0.02
/** Values drawn; longer tensors repeat them. A prime, so that no two rows of a matrix are the same. */
const DRAWN = 1_048_573
const BYTES_EACH = 2

/** Normal values of the given deviation (Box and Muller). */
function normalValues(length: number, deviation: number): Float32Array {
  const random = new SeededRandom(1, "random model")
  const values = new Float32Array(length)
  for (let index = 0; index < length; index += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random.unit()))
    const angle = 2 * Math.PI * random.unit()
    values[index] = radius * Math.cos(angle)
    if (index + 1 < length) values[index + 1] = radius * Math.sin(angle)
  }
  return values
}

const drawnByDeviation = new Map<number, Float32Array>()

/** Normal values for an operand of any length, the same for the same length. */
export function randomValues(length: number, deviation: number): Float32Array {
  const drawn = drawnByDeviation.get(deviation) ?? normalValues(DRAWN, deviation)
  drawnByDeviation.set(deviation, drawn)
  const values = new Float32Array(length)
  for (let filled = 0; filled < length; filled += DRAWN) values.set(drawn.subarray(0, length - filled), filled)
  return values
}

/** A tensor of normal values of deviation 1 in the open scope. Errors: TensorTooLarge, before any value is made. */
export function uploadedRandom(context: OpContext, shape: readonly number[], label: string): DeviceTensor {
  const tensor = context.memory.allocate(shape, "f32", label)
  upload(context, tensor, randomValues(elementCount(shape, label), 1))
  return tensor
}

/** Layers with the same values; neighbours differ, so that a direction is not amplified from layer to layer. */
const DISTINCT_LAYERS = 4

/** "model.layers.6.mlp.up_proj.weight" → "model.layers.2.mlp.up_proj.weight" */
function valuesName(name: string): string {
  return name.replace(/^(model\.layers\.)(\d+)/, (_, path, layer) => `${path}${Number(layer) % DISTINCT_LAYERS}`)
}

/** Matrices normal with deviation 0.02, norms 1; the same for the same sizes. Every fourth layer has the same values, stored once. */
export function randomModel(config: DecoderConfig): DecoderSource {
  const halves = narrowBFloat16(normalValues(DRAWN, WEIGHT_DEVIATION))
  const drawn = new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength)
  const tensors = new Map<string, Tensor>()
  for (const [name, shape] of decoderTensorShapes(config)) {
    const start = BYTES_EACH * (new SeededRandom(2, valuesName(name)).bits() % DRAWN)
    const byteLength = BYTES_EACH * shape.reduce((product, size) => product * size, 1)
    tensors.set(name, {
      name,
      dtype: "BF16",
      shape,
      get data() {
        return shape.length === 1 ? ones(byteLength) : repeated(drawn, start, byteLength)
      },
    })
  }
  return { config, tensors, store: storingOnce() }
}

/** Quantising takes long, and is done once for all layers with the same values; other kinds are as quick to make as to keep. */
function storingOnce(): NonNullable<DecoderSource["store"]> {
  const stored = new Map<string, HostMatrix>()
  return (tensor, kind) => {
    const key = `${valuesName(tensor.name)} ${kind}`
    const matrix = stored.get(key) ?? storeMatrix(tensor, kind)
    if (isQuantised(kind)) stored.set(key, matrix)
    return matrix
  }
}

function ones(byteLength: number): Uint8Array {
  return new Uint8Array(new Uint16Array(byteLength / BYTES_EACH).fill(0x3f80).buffer)
}

function repeated(drawn: Uint8Array, start: number, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength)
  let from = start
  for (let filled = 0; filled < byteLength; ) {
    const piece = drawn.subarray(from, from + byteLength - filled)
    bytes.set(piece, filled)
    filled += piece.length
    from = 0
  }
  return bytes
}
