// Matrices cut into ranges of rows at any row, as weights larger than one binding are held, and put together again.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { RangedWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"

/** Some rows of a tensor wherever they start: good for copies, not for kernels. */
function anyRows(tensor: Tensor, firstRow: number, rowCount: number): Tensor {
  const [rows, columns] = tensor.shape as [number, number]
  const rowBytes = tensor.byteLength / rows
  const byteOffset = tensor.byteOffset + firstRow * rowBytes
  return { ...tensor, byteOffset, shape: [rowCount, columns], byteLength: rowCount * rowBytes }
}

/** Copies of consecutive rows, `rowCounts` each. */
export function splitRows(context: OpContext, tensor: Tensor, rowCounts: readonly number[]): Tensor[] {
  let firstRow = 0
  return rowCounts.map((rowCount) => {
    const part = context.memory.allocate([rowCount, tensor.shape[1]!], "f32", `${tensor.label}.${firstRow}`)
    context.recorder.copy(anyRows(tensor, firstRow, rowCount), part)
    firstRow += rowCount
    return part
  })
}

/** The tensors' rows one after another in a new tensor. */
export function joinRows(context: OpContext, tensors: readonly Tensor[]): Tensor {
  const rows = tensors.reduce((sum, { shape }) => sum + shape[0]!, 0)
  const whole = context.memory.allocate([rows, tensors[0]!.shape[1]!], "f32", "joined")
  let firstRow = 0
  for (const tensor of tensors) {
    const rowCount = tensor.shape[0]!
    context.recorder.copy(tensor, anyRows(whole, firstRow, rowCount))
    firstRow += rowCount
  }
  return whole
}

/** The tensor as a weight in several buffers. */
export function rangedWeight(context: OpContext, tensor: Tensor, rowCounts: readonly number[]): RangedWeight {
  const [rows, columns] = tensor.shape as [number, number]
  const ranges = splitRows(context, tensor, rowCounts).map((part) => {
    return { kind: "f32", rows: part.shape[0]!, columns, tensor: part } as const
  })
  return { kind: "ranges", rows, columns, ranges }
}
