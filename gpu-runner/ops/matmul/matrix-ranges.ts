// Matrices that are larger than one binding: their rows lie in several buffers, one range after another. Where a matrix is cut depends
// on its shape alone, so that weights, gradients and moments of one shape are cut alike.
import { ShapeMismatch, TensorTooLarge } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { expectShape, matrixShape } from "../expect-shape.ts"

/** An f32 matrix in one tensor, or in several that hold its rows one after another. */
export type F32Matrix = Tensor | readonly Tensor[]

export interface RowRange {
  readonly firstRow: number
  readonly rowCount: number
}

// Views of whole rows start at multiples of 256 bytes, whatever a row holds, if they start at multiples of 64 rows.
const ROWS_STEP = 64
// Blocks of 8-bit moments do not cross from one range into the next if a range has a multiple of this many elements.
const ELEMENTS_STEP = 256

/** Where a matrix is cut: one range if it has at most `rangeBytes` in f32. Errors: TensorTooLarge where not even a few rows fit. */
export function rowRanges(rangeBytes: number, rows: number, columns: number, label: string): readonly RowRange[] {
  const fitting = Math.floor(rangeBytes / (4 * columns))
  if (rows <= fitting) return [{ firstRow: 0, rowCount: rows }]
  const step = ELEMENTS_STEP / greatestCommonDivisor(ELEMENTS_STEP, columns)
  const coarse = Math.max(step, ROWS_STEP)
  const rowsEach = fitting >= coarse ? fitting - (fitting % coarse) : fitting - (fitting % step)
  if (rowsEach === 0) throw new TensorTooLarge(`${step} rows of ${label}`, 4 * columns * step, rangeBytes)
  return Array.from({ length: Math.ceil(rows / rowsEach) }, (_, index) => {
    const firstRow = index * rowsEach
    return { firstRow, rowCount: Math.min(rowsEach, rows - firstRow) }
  })
}

export function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right)
}

/** The tensors of a matrix with the rows that each holds. */
export function tensorRanges(matrix: F32Matrix): readonly (RowRange & { readonly tensor: Tensor })[] {
  let firstRow = 0
  return tensorsOf(matrix).map((tensor) => {
    const range = { firstRow, rowCount: tensor.shape[0]!, tensor }
    firstRow += range.rowCount
    return range
  })
}

function tensorsOf(matrix: F32Matrix): readonly Tensor[] {
  return isTensor(matrix) ? [matrix] : matrix
}

function isTensor(matrix: F32Matrix): matrix is Tensor {
  return !Array.isArray(matrix)
}

/** Rows and columns of a matrix; tensors that are no f32 matrices of one width are a ShapeMismatch. */
export function f32MatrixShape(op: string, name: string, matrix: F32Matrix): readonly [rows: number, columns: number] {
  const shapes = tensorsOf(matrix).map((tensor) => matrixShape(op, name, tensor))
  const columns = shapes[0]?.[1]
  if (columns === undefined) throw new ShapeMismatch(op, `${name} has no rows`)
  const rows = shapes.reduce((sum, [count]) => sum + count, 0)
  tensorsOf(matrix).forEach((tensor, index) => {
    expectShape(op, name, tensor, [shapes[index]![0], columns])
  })
  return [rows, columns]
}
