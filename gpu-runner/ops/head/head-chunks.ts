// What the heads over the vocabulary share. Logits are made in chunks of rows, as many as a budget of bytes allows, and within a chunk in
// the ranges of the vocabulary that the weight is held in: one tensor each, since together they may be more than one binding.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Lane } from "#gpu-runner/device/open-device.ts"
import { rowsView, type Tensor } from "#gpu-runner/device/tensor.ts"
import { capInPlace, softCapParam } from "../elementwise/elementwise.ts"
import { matrixShape } from "../expect-shape.ts"
import { matmul } from "../matmul/matmul.ts"
import {
  type F32Matrix,
  f32MatrixShape,
  greatestCommonDivisor,
  type RowRange,
  tensorRanges,
} from "../matmul/matrix-ranges.ts"
import {
  expectOperandShape,
  type MatrixOperand,
  type OperandRange,
  operandRanges,
  operandRows,
  operandShape,
  type WholeOperand,
} from "../matmul/quantised-weight.ts"

export interface HeadOptions {
  /** Bytes of logits alive at once: a chunk has as many rows as fit, at least those that a view can start at. By default the lane's. */
  readonly logitsBytes?: number | undefined
  /** Rows of a chunk whatever their bytes; a multiple of 64. */
  readonly chunkRows?: number | undefined
  /** Bounds the logits to ±softCap by softCap · tanh(logit / softCap), in f32 before the softmax (Gemma 2). None by default. */
  readonly softCap?: number | undefined
}

/** Larger chunks make larger products, and the weight is read once a chunk: a GPU needs hundreds of rows to be busy. */
const LOGITS_BYTES: Readonly<Record<Lane, number>> = {
  software: 32 * 2 ** 20,
  gpu: 256 * 2 ** 20,
  null: 32 * 2 ** 20,
}
// Views start at multiples of 256 bytes whatever the row length, if they start at multiples of 64 rows.
const VIEW_ROWS = 64

export interface HeadSizes {
  readonly rows: number
  readonly channels: number
  readonly vocabulary: number
  readonly chunkRows: number
  /** 0 for none. */
  readonly softCap: number
}

/** Bytes of logits that a head keeps alive where its options do not say. */
export function defaultLogitsBytes(lane: Lane): number {
  return LOGITS_BYTES[lane]
}

/**
 * The sizes of a head with hidden [R, C] and weight [V, C]. A second model's logits are alive with it if it has `referenceChannels`.
 * Errors: ShapeMismatch.
 */
export function headSizes(
  context: OpContext,
  op: string,
  { hidden, weight }: { readonly hidden: Tensor; readonly weight: MatrixOperand },
  options: HeadOptions,
  referenceChannels?: number,
): HeadSizes {
  const [rows, channels] = matrixShape(op, "hidden", hidden)
  const [vocabulary] = operandShape(op, "weight", weight)
  expectOperandShape(op, "weight", weight, [vocabulary, channels])
  const { logitsBytes = defaultLogitsBytes(context.gpu.lane), chunkRows } = options
  if (chunkRows !== undefined && (chunkRows < VIEW_ROWS || chunkRows % VIEW_ROWS !== 0)) {
    throw new ShapeMismatch(op, `chunkRows is ${chunkRows}; it must be a positive multiple of ${VIEW_ROWS}`)
  }
  const widestRange = Math.max(...operandRanges(weight).map(({ rowCount }) => rowCount))
  const byBinding = Math.floor(context.gpu.limits.maxStorageBufferBindingSize / (4 * widestRange))
  const rowBytes = 4 * vocabulary * (referenceChannels === undefined ? 1 : 2)
  const fitting = Math.min(Math.floor(logitsBytes / rowBytes), byBinding)
  const sizes = { rows, channels, vocabulary, softCap: softCapParam(op, options.softCap) }
  const step = [channels, referenceChannels ?? 0].reduce(greatestCommonDivisor, VIEW_ROWS)
  return { ...sizes, chunkRows: chunkRows ?? evenChunkRows(rows, VIEW_ROWS / step, fitting) }
}

/**
 * Rows of a chunk, at most `fitting` unless a view can only start at multiples of more: all chunks about equally long, so that the last is
 * no small product.
 */
function evenChunkRows(rows: number, alignedRows: number, fitting: number): number {
  if (rows <= fitting) return rows
  const step = fitting < VIEW_ROWS ? alignedRows : VIEW_ROWS
  const most = Math.max(step, fitting - (fitting % step))
  const even = Math.ceil(rows / Math.ceil(rows / most))
  return Math.ceil(even / step) * step
}

export interface RowChunk {
  readonly firstRow: number
  readonly rowCount: number
}

/** Calls `body` for each chunk in a memory scope of its own: what it allocates is recycled by the next chunk. */
export function forEachChunk(
  context: OpContext,
  { rows, chunkRows }: HeadSizes,
  body: (chunk: RowChunk) => void,
): void {
  for (let firstRow = 0; firstRow < rows; firstRow += chunkRows) {
    context.memory.withScope(() => {
      body({ firstRow, rowCount: Math.min(chunkRows, rows - firstRow) })
      return undefined
    })
  }
}

/** A range of the vocabulary: rows of the head's weight. */
export interface VocabularyRange extends OperandRange {
  readonly isFirst: boolean
  readonly isLast: boolean
}

/** The ranges of the vocabulary that a head's weight is held in; one that kernels cannot read in Lane4s is two. */
export function vocabularyRanges(weight: MatrixOperand): readonly VocabularyRange[] {
  return operandRanges(weight)
    .flatMap(inFours)
    .map((range, index, { length }) => ({ ...range, isFirst: index === 0, isLast: index === length - 1 }))
}

// A vocabulary of 32,001 tokens: 32,000 by the fast kernels, and 1 by those for any size.
function inFours(range: OperandRange): OperandRange[] {
  const { firstRow, rowCount, operand } = range
  const most = rowCount - (rowCount % VIEW_ROWS)
  if (rowCount % 4 === 0 || most === 0) return [range]
  const part = (start: number, count: number) => {
    const rows = operandRows(operand, { firstRow: start, rowCount: count })
    return { firstRow: firstRow + start, rowCount: count, operand: rows }
  }
  return [part(0, most), part(most, rowCount - most)]
}

/** A chunk's logits of one range [rows of the chunk, tokens of the range] = hidden · weightᵀ, soft-capped if the head is. */
export function rangeLogits(
  context: OpContext,
  hidden: Tensor,
  operand: WholeOperand,
  { firstRow, rowCount }: RowChunk,
  { softCap }: HeadSizes,
): Tensor {
  const logits = matmul(context, rowsView(hidden, firstRow, rowCount), operand, { transposeB: true })
  if (softCap > 0) capInPlace(context, logits, softCap)
  return logits
}

export interface HeadGradients {
  /** [R, C] */
  readonly dHidden: Tensor
  /** [V, C], added to, if the weight is trained. */
  readonly dWeight?: F32Matrix | undefined
}

/** From a chunk's dLogits of one range: its share of the chunk's rows of `dHidden`, where the first range overwrites, and of `dWeight`. */
export function rangeGradients(
  context: OpContext,
  dLogits: Tensor,
  { hidden, range }: { readonly hidden: Tensor; readonly range: VocabularyRange },
  { firstRow, rowCount }: RowChunk,
  { dHidden, dWeight }: HeadGradients,
): void {
  matmul(context, dLogits, range.operand, { out: rowsView(dHidden, firstRow, rowCount), accumulate: !range.isFirst })
  if (!dWeight) return
  const hiddenRows = rowsView(hidden, firstRow, rowCount)
  matmul(context, dLogits, hiddenRows, { transposeA: true, out: rowsOf(dWeight, range), accumulate: true })
}

/** Fails with ShapeMismatch unless a weight's gradient, if there is one, has the weight's shape [V, C]. */
export function expectWeightGradient(op: string, dWeight: F32Matrix | undefined, sizes: HeadSizes): void {
  if (!dWeight) return
  const [rows, columns] = f32MatrixShape(op, "dWeight", dWeight)
  if (rows === sizes.vocabulary && columns === sizes.channels) return
  throw new ShapeMismatch(op, `dWeight must be f32 [${sizes.vocabulary},${sizes.channels}], it is [${rows},${columns}]`)
}

/** The rows of a range out of the tensor that holds them all. */
function rowsOf(matrix: F32Matrix, { firstRow, rowCount }: RowRange): Tensor {
  const holder = tensorRanges(matrix).findLast((candidate) => candidate.firstRow <= firstRow)!
  if (holder.firstRow === firstRow && holder.rowCount === rowCount) return holder.tensor
  return rowsView(holder.tensor, firstRow - holder.firstRow, rowCount)
}

/** The factor that kernels turn capped logits into the cap's derivative with: 1 / cap, or 0 for none. */
export function inverseSoftCap({ softCap }: HeadSizes): number {
  return softCap > 0 ? 1 / softCap : 0
}

// As common/row_segments.wgsl.
const SEGMENT_LANE4S = 1024

/** Workgroups of a kernel that walks rows of logits in segments. */
export function segmentCount(rowCount: number, lane4s: number): number {
  return rowCount * Math.ceil(lane4s / SEGMENT_LANE4S)
}
