// Shape and dtype checks at an op's entrance. A mismatch names the op, the tensor, and what was expected.
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { DataType, Tensor } from "#gpu-runner/device/tensor.ts"

/** Fails with ShapeMismatch unless `tensor` has exactly this shape and dtype. */
export function expectShape(
  op: string,
  name: string,
  tensor: Tensor,
  shape: readonly number[],
  dtype: DataType = "f32",
) {
  const isSame = tensor.shape.length === shape.length && shape.every((size, axis) => size === tensor.shape[axis])
  if (!isSame || tensor.dtype !== dtype) {
    throw new ShapeMismatch(
      op,
      `${name} (${tensor.label}) must be ${dtype} [${shape}], it is ${tensor.dtype} [${tensor.shape}]`,
    )
  }
}

/** The two dimensions of an f32 matrix; anything else is a ShapeMismatch. */
export function matrixShape(op: string, name: string, tensor: Tensor): readonly [rows: number, columns: number] {
  const [rows, columns] = tensor.shape
  if (tensor.shape.length !== 2 || rows === undefined || columns === undefined || tensor.dtype !== "f32") {
    throw new ShapeMismatch(
      op,
      `${name} (${tensor.label}) must be an f32 matrix, it is ${tensor.dtype} [${tensor.shape}]`,
    )
  }
  return [rows, columns]
}

/** The length of a u32 vector; anything else is a ShapeMismatch. */
export function indexCount(op: string, name: string, tensor: Tensor): number {
  if (tensor.shape.length !== 1 || tensor.dtype !== "u32") {
    throw new ShapeMismatch(
      op,
      `${name} (${tensor.label}) must be a u32 vector, it is ${tensor.dtype} [${tensor.shape}]`,
    )
  }
  return tensor.shape[0]!
}

/** Fails with ShapeMismatch unless all hold. WebGPU refuses a buffer that one dispatch both reads and writes. */
export function expectDistinct(op: string, output: Tensor, inputs: readonly Tensor[]) {
  for (const input of inputs) {
    if (input.buffer === output.buffer) {
      throw new ShapeMismatch(
        op,
        `output ${output.label} shares its buffer with input ${input.label}; use another output`,
      )
    }
  }
}
