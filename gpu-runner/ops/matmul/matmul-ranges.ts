// Products with a matrix that is larger than one binding, range by range of its rows. Kernels know nothing of it: a range's columns of
// the other matrices are copied out and in, one pass over an activation where the product makes hundreds. Called by matmul.ts only.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { rowsView } from "#gpu-runner/device/tensor.ts"
import { columnsOf, putColumns } from "../rows/copy-columns.ts"
import { dispatchMatmul } from "./matmul-kernels.ts"
import type { MatmulProblem } from "./matmul-problem.ts"
import type { OperandRange } from "./quantised-weight.ts"

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
