// Columns between matrices of different width: what a product with a matrix in several buffers is put together from.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { expectDistinct, matrixShape } from "../expect-shape.ts"

const copyColumnsKernel = loadKernel("copy_columns", lane4Variants())

/** output [R, columnCount] = the columns of `whole` [R, N] from `firstColumn` on. */
export function columnsOf(context: OpContext, whole: Tensor, firstColumn: number, columnCount: number): Tensor {
  const [rows] = matrixShape("columnsOf", "whole", whole)
  const part = context.memory.allocate([rows, columnCount], "f32", `${whole.label}.columns`)
  copyColumns(context, { tensor: whole, firstColumn }, { tensor: part, firstColumn: 0 }, columnCount)
  return part
}

/** Overwrites columns of `whole` [R, N] from `firstColumn` on with `part` [R, columns]. */
export function putColumns(context: OpContext, part: Tensor, whole: Tensor, firstColumn: number): void {
  const [, columns] = matrixShape("putColumns", "part", part)
  copyColumns(context, { tensor: part, firstColumn: 0 }, { tensor: whole, firstColumn }, columns)
}

interface Place {
  readonly tensor: Tensor
  readonly firstColumn: number
}

function copyColumns(context: OpContext, from: Place, to: Place, columnCount: number): void {
  const [rows, fromColumns] = matrixShape("copyColumns", "from", from.tensor)
  const [toRows, toColumns] = matrixShape("copyColumns", "to", to.tensor)
  const isInside = from.firstColumn + columnCount <= fromColumns && to.firstColumn + columnCount <= toColumns
  if (rows !== toRows || !isInside) {
    const shown = `${columnCount} columns of [${from.tensor.shape}] from ${from.firstColumn}`
    throw new ShapeMismatch("copyColumns", `${shown} do not fit into [${to.tensor.shape}] at ${to.firstColumn}`)
  }
  expectDistinct("copyColumns", to.tensor, [from.tensor])
  const numbers = [columnCount, fromColumns, from.firstColumn, toColumns, to.firstColumn]
  const lane4 = numbers.every((number) => number % 4 === 0) ? "vec4" : "scalar"
  const size = lane4 === "vec4" ? 4 : 1
  context.recorder.dispatch({
    kernel: copyColumnsKernel,
    variant: copyColumnsKernel.variants[lane4],
    tensors: [from.tensor, to.tensor],
    params: {
      row_count: rows,
      lane4s_per_row: columnCount / size,
      from_stride: fromColumns / size,
      from_start: from.firstColumn / size,
      to_stride: toColumns / size,
      to_start: to.firstColumn / size,
    },
    workgroupCount: Math.ceil((rows * columnCount) / size / 64),
  })
}
