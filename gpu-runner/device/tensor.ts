// A tensor: a typed, shaped, row-major range of a GPU buffer. No lazy graph, no strides; memory.ts owns the buffers.
import { ShapeMismatch } from "./errors.ts"

export type DataType = "f32" | "u32"

export interface Tensor {
  readonly buffer: GPUBuffer
  /** Start inside `buffer` in bytes; 0 unless the tensor is a view. */
  readonly byteOffset: number
  readonly shape: readonly number[]
  readonly dtype: DataType
  readonly label: string
  /** Elements × 4; the buffer behind it may be longer. */
  readonly byteLength: number
}

/** Product of the dimensions; a dimension that is no positive integer is a ShapeMismatch. */
export function elementCount(shape: readonly number[], label = "tensor"): number {
  let count = 1
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 1) {
      throw new ShapeMismatch(label, `shape [${shape}] has a dimension that is no positive integer`)
    }
    count *= size
  }
  return count
}

/** Of storage bindings, WebGPU's. */
export const BINDING_ALIGNMENT_BYTES = 256

/**
 * Rows `start` to `start + count` of a tensor [rows, …] as a view on the same buffer.
 * `start` × row bytes must be a multiple of 256: BINDING_ALIGNMENT_BYTES.
 */
export function rowsView(tensor: Tensor, start: number, count: number): Tensor {
  const [rows = 0, ...rest] = tensor.shape
  const rowBytes = tensor.byteLength / rows
  const byteOffset = tensor.byteOffset + start * rowBytes
  if (start < 0 || count < 1 || start + count > rows) {
    throw new ShapeMismatch(
      "rowsView",
      `rows ${start}..${start + count} are outside of ${tensor.label} [${tensor.shape}]`,
    )
  }
  if (byteOffset % BINDING_ALIGNMENT_BYTES !== 0) {
    throw new ShapeMismatch(
      "rowsView",
      `row ${start} of ${tensor.label} starts at byte ${byteOffset}, no multiple of 256`,
    )
  }
  return { ...tensor, byteOffset, shape: [count, ...rest], byteLength: count * rowBytes }
}
