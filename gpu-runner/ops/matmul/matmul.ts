// Matrix product of row-major matrices, the hot path of every model: as a whole, or where a matrix is larger than one binding range by
// range of its rows. Kernels know nothing of ranges: a range's columns of the other matrices are copied out and in, one pass over an
// activation where the product makes hundreds. Shapes are checked in matmul-problem.ts; matmul-kernels.ts chooses the kernel.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { rowsView, type Tensor } from "#gpu-runner/device/tensor.ts"
import { expectDistinct, expectShape } from "../expect-shape.ts"
import { columnsOf, putColumns } from "../rows/copy-columns.ts"
import { dispatchMatmul, dispatchParts } from "./matmul-kernels.ts"
import { type MatmulOptions, type MatmulProblem, matmulSizes } from "./matmul-problem.ts"
import { type F32Matrix, tensorRanges } from "./matrix-ranges.ts"
import {
  isBeyondF16,
  isRanged,
  type MatrixOperand,
  type OperandRange,
  operandOf,
  operandRanges,
  operandTensors,
  type WholeWeight,
} from "./quantised-weight.ts"

/**
 * out [M, N] = (accumulate ? out : 0) + scale · (A [M, K] B [K, N] + lowRank), f32 accumulation. `b` may be a frozen
 * weight as it is held, coded or not, in one buffer or in several: the result is that of its expansion in f32. Gradients are matmuls too: dA = dOut Bᵀ, dB = Aᵀ dOut.
 * Errors: ShapeMismatch.
 */
export function matmul(context: OpContext, a: Tensor, b: MatrixOperand, options: MatmulOptions = {}): Tensor {
  const sizes = matmulSizes(a, b, options)
  const out = options.out ?? context.memory.allocate([sizes.rows, sizes.columns], "f32", "matmul.output")
  expectShape("matmul", "out", out, [sizes.rows, sizes.columns])
  expectDistinct("matmul", out, [a, ...operandTensors(b)])
  const problem = {
    a,
    out,
    ...sizes,
    transposeA: options.transposeA ?? false,
    transposeB: options.transposeB ?? false,
    accumulate: options.accumulate ?? false,
    scale: options.scale ?? 1,
    lowRank: options.lowRank,
    precision: isBeyondF16(b) ? "f32" : (options.precision ?? context.precision),
  }
  if (isRanged(b)) dispatchRanges(context, problem, operandRanges(b))
  else dispatchMatmul(context, { ...problem, b: operandOf(b) })
  return out
}

/**
 * The products of a [M, K] and of layers stored one after the other in b [N, K], of `partColumns` rows each: views [M, n] of one tensor of
 * the open scope. Undefined, and nothing is recorded, where the adapter's kernels do not put them apart. Errors: ShapeMismatch.
 */
export function matmulParts(
  context: OpContext,
  a: Tensor,
  b: WholeWeight,
  partColumns: readonly number[],
): readonly Tensor[] | undefined {
  const sizes = matmulSizes(a, b, { transposeB: true })
  const { rows, columns } = sizes
  const output = context.memory.allocate([columns, rows], "f32", "matmul.parts")
  const plain = { transposeA: false, transposeB: true, accumulate: false, scale: 1, precision: "f32" as const }
  const problem = { a, b: operandOf(b), out: output, ...sizes, ...plain, partColumns }
  if (!dispatchParts(context, problem)) {
    context.memory.release(output)
    return undefined
  }
  let first = 0
  return partColumns.map((count) => {
    const part = rowsView(output, first, count)
    first += count
    return { ...part, shape: [rows, count] }
  })
}

/** dWeight [N, K] += dOutputᵀ input for dOutput [T, N] and input [T, K]. Errors: ShapeMismatch. */
export function addWeightGradient(context: OpContext, dOutput: Tensor, input: Tensor, dWeight: F32Matrix): void {
  const ranges = tensorRanges(dWeight)
  for (const { tensor: out, firstRow, rowCount } of ranges) {
    context.memory.withScope(() => {
      const columns = ranges.length === 1 ? dOutput : columnsOf(context, dOutput, firstRow, rowCount)
      matmul(context, columns, input, { transposeA: true, out, accumulate: true })
      return undefined
    })
  }
}

/** A checked call of matmul whose second operand is `ranges`. */
type RangedProblem = Omit<MatmulProblem, "b">

/** Records the product. */
export function dispatchRanges(context: OpContext, problem: RangedProblem, ranges: readonly OperandRange[]): void {
  if (problem.transposeB) rangesOfColumns(context, problem, ranges)
  else rangesOfDepth(context, problem, ranges)
}

/** B [N, K]: each range gives columns of the output. */
function rangesOfColumns(context: OpContext, problem: RangedProblem, ranges: readonly OperandRange[]): void {
  const { out, rows, accumulate, scale, lowRank } = problem
  for (const { firstRow, rowCount, operand } of ranges) {
    context.memory.withScope(() => {
      const part = accumulate
        ? columnsOf(context, out, firstRow, rowCount)
        : context.memory.allocate([rows, rowCount], "f32", "matmul.columns")
      dispatchMatmul(context, { ...problem, b: operand, out: part, columns: rowCount, lowRank: undefined })
      putColumns(context, part, out, firstRow)
      return undefined
    })
  }
  if (!lowRank) return
  const { left: a, right: b, scale: lowScale = 1 } = lowRank
  const depth = a.shape[1]!
  dispatchMatmul(context, { ...problem, a, b, depth, scale: scale * lowScale, accumulate: true, lowRank: undefined })
}

/** B [K, N]: each range takes columns of A, or rows of its transpose, and adds to the output. */
function rangesOfDepth(context: OpContext, problem: RangedProblem, ranges: readonly OperandRange[]): void {
  ranges.forEach(({ firstRow, rowCount, operand }, index) => {
    context.memory.withScope(() => {
      const a = problem.transposeA
        ? rowsView(problem.a, firstRow, rowCount)
        : columnsOf(context, problem.a, firstRow, rowCount)
      const further = index > 0 ? { accumulate: true, lowRank: undefined } : {}
      dispatchMatmul(context, { ...problem, a, b: operand, depth: rowCount, ...further })
      return undefined
    })
  })
}
