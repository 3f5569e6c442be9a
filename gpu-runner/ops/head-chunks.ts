// What the heads over the vocabulary share: chunks of rows, so that only a chunk of logits is alive, and logits with their soft cap.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { rowsView, type Tensor } from "#gpu-runner/device/tensor.ts"
import { matrixShape } from "./expect-shape.ts"
import { matmul } from "./matmul.ts"
import { expectOperandShape, type MatrixOperand, operandShape } from "./quantised-weight.ts"
import { capInPlace, softCapParam } from "./soft-cap.ts"

export interface HeadOptions {
  /** Rows of logits alive at once; a multiple of 64. By default as many as fit into 32 MiB. */
  readonly chunkRows?: number | undefined
  /** Bounds the logits to ±softCap by softCap · tanh(logit / softCap), in f32 before the softmax (Gemma 2). None by default. */
  readonly softCap?: number | undefined
}

const CHUNK_BYTES = 32 * 2 ** 20
// Views start at multiples of 256 bytes whatever the row length, if a chunk's rows are a multiple of 64.
const CHUNK_ROWS_STEP = 64

export interface HeadSizes {
  readonly rows: number
  readonly channels: number
  readonly vocabulary: number
  readonly chunkRows: number
  /** 0 for none. */
  readonly softCap: number
}

/** The sizes of a head with hidden [R, C] and weight [V, C]. Errors: ShapeMismatch. */
export function headSizes(op: string, hidden: Tensor, weight: MatrixOperand, options: HeadOptions): HeadSizes {
  const [rows, channels] = matrixShape(op, "hidden", hidden)
  const [vocabulary] = operandShape(op, "weight", weight)
  expectOperandShape(op, "weight", weight, [vocabulary, channels])
  const fitting = Math.floor(CHUNK_BYTES / (vocabulary * 4) / CHUNK_ROWS_STEP) * CHUNK_ROWS_STEP
  const chunkRows = options.chunkRows ?? Math.max(CHUNK_ROWS_STEP, fitting)
  if (chunkRows < CHUNK_ROWS_STEP || chunkRows % CHUNK_ROWS_STEP !== 0) {
    throw new ShapeMismatch(op, `chunkRows is ${chunkRows}; it must be a positive multiple of ${CHUNK_ROWS_STEP}`)
  }
  return { rows, channels, vocabulary, chunkRows, softCap: softCapParam(op, options.softCap) }
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

/** A chunk of logits [rows of the chunk, V] = hidden · weightᵀ, soft-capped if the head is. */
export function chunkLogits(
  context: OpContext,
  hidden: Tensor,
  weight: MatrixOperand,
  { firstRow, rowCount }: RowChunk,
  { softCap }: HeadSizes,
): Tensor {
  const logits = matmul(context, rowsView(hidden, firstRow, rowCount), weight, { transposeB: true })
  if (softCap > 0) capInPlace(context, logits, softCap)
  return logits
}

/** From a chunk's dLogits [rows of the chunk, V]: its rows of `dHidden` [R, C], and the weight's gradient added to `dWeight` [V, C] if given. */
export function chunkGradients(
  context: OpContext,
  dLogits: Tensor,
  { hidden, weight }: { readonly hidden: Tensor; readonly weight: MatrixOperand },
  { firstRow, rowCount }: RowChunk,
  { dHidden, dWeight }: { readonly dHidden: Tensor; readonly dWeight?: Tensor | undefined },
): void {
  matmul(context, dLogits, weight, { out: rowsView(dHidden, firstRow, rowCount) })
  if (!dWeight) return
  const hiddenRows = rowsView(hidden, firstRow, rowCount)
  matmul(context, dLogits, hiddenRows, { transposeA: true, out: dWeight, accumulate: true })
}

/** The factor that kernels turn capped logits into the cap's derivative with: 1 / cap, or 0 for none. */
export function inverseSoftCap({ softCap }: HeadSizes): number {
  return softCap > 0 ? 1 / softCap : 0
}
