// Frozen matrices on the device in f32, bf16, f16, int8 or nf4: upload, look-up of rows, expansion into f32 scratch tensors for kernels
// that do not read them packed. Values are those of shared/formats/quantisation.ts, bit for bit.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { rowsView, type Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { dequantiseRowsKernel } from "#gpu-runner/kernels/dequantise_rows.ts"
import { exceedsFloat16 } from "#shared/formats/float16-range.ts"
import { blocksPerRow, type HostMatrix, type PackedKind, wordsPerRow } from "#shared/formats/quantisation.ts"
import { packOf, packsPerRow } from "./choose-variant.ts"
import { expectShape, indexCount, matrixShape } from "./expect-shape.ts"
import { gatherRows } from "./rows.ts"

interface MatrixShape {
  readonly rows: number
  readonly columns: number
}

/** A matrix [rows, columns] = [out, in] as the device holds it. */
export type StoredWeight = (MatrixShape & { readonly kind: "f32"; readonly tensor: Tensor }) | PackedWeight

export interface PackedWeight extends MatrixShape {
  readonly kind: PackedKind
  /** u32 [rows, wordsPerRow] */
  readonly words: Tensor
  /** f32 [rows, blocksPerRow] of int8 and nf4, else undefined */
  readonly scales: Tensor | undefined
}

/** What a product may have as its second operand: a tensor [rows, columns], or a matrix as it is held. */
export type MatrixOperand = Tensor | StoredWeight

/** The operand as kernels see it: a matrix held in f32 is its tensor. */
export function operandOf(matrix: MatrixOperand): Tensor | PackedWeight {
  return "kind" in matrix && matrix.kind === "f32" ? matrix.tensor : (matrix as Tensor | PackedWeight)
}

export function isPacked(operand: Tensor | PackedWeight): operand is PackedWeight {
  return "kind" in operand
}

/** The tensors behind an operand. */
export function operandTensors(matrix: MatrixOperand): readonly Tensor[] {
  const operand = operandOf(matrix)
  if (!isPacked(operand)) return [operand]
  return operand.scales ? [operand.words, operand.scales] : [operand.words]
}

/** Rows and columns of an operand; a tensor that is no f32 matrix is a ShapeMismatch. */
export function operandShape(op: string, name: string, matrix: MatrixOperand): readonly [number, number] {
  const operand = operandOf(matrix)
  return isPacked(operand) ? [operand.rows, operand.columns] : matrixShape(op, name, operand)
}

/** Fails with ShapeMismatch unless the operand is an f32 or packed matrix [rows, columns]. */
export function expectOperandShape(op: string, name: string, matrix: MatrixOperand, shape: readonly [number, number]) {
  const operand = operandOf(matrix)
  if (!isPacked(operand)) return expectShape(op, name, operand, shape)
  if (operand.rows === shape[0] && operand.columns === shape[1]) return
  const held = `${operand.kind} [${operand.rows},${operand.columns}]`
  throw new ShapeMismatch(op, `${name} (${operand.words.label}) must be [${shape}], it is ${held}`)
}

export interface RowRange {
  readonly firstRow: number
  readonly rowCount: number
}

/** Buffers of matrices with a magnitude beyond 65,504: products must not round them to f16. */
const beyondF16 = new WeakSet<GPUBuffer>()

/** Whether an operand is known to hold a magnitude that f16 does not; of a tensor that no matrix was uploaded into, nothing is known. */
export function isBeyondF16(operand: Tensor | PackedWeight): boolean {
  return beyondF16.has(isPacked(operand) ? operand.words.buffer : operand.buffer)
}

/** Uploads a matrix into permanent buffers. Errors: TensorTooLarge. */
export function uploadWeight(context: OpContext, matrix: HostMatrix, label: string): StoredWeight {
  const { rows, columns } = matrix
  // Looked at only where products round to f16: a large model takes seconds.
  const isBeyond = context.matrixUnits !== undefined && exceedsFloat16(matrix)
  const permanent = (name: string, data: Float32Array | Uint32Array, width: number) => {
    const tensor = context.memory.allocatePermanent([rows, width], data instanceof Float32Array ? "f32" : "u32", name)
    upload(context, tensor, data)
    if (isBeyond) beyondF16.add(tensor.buffer)
    else beyondF16.delete(tensor.buffer)
    return tensor
  }
  if (matrix.kind === "f32") return { kind: "f32", rows, columns, tensor: permanent(label, matrix.values, columns) }
  const { kind, words, scales } = matrix
  return {
    kind,
    rows,
    columns,
    words: permanent(`${label}.${kind}`, words, wordsPerRow(kind, columns)),
    scales: scales && permanent(`${label}.scales`, scales, blocksPerRow(columns)),
  }
}

/** Gives the matrix's buffers back to the pool. */
export function releaseWeight(context: OpContext, weight: StoredWeight): void {
  const tensors = weight.kind === "f32" ? [weight.tensor] : [weight.words, weight.scales]
  for (const tensor of tensors) {
    if (!tensor) continue
    beyondF16.delete(tensor.buffer)
    context.memory.release(tensor)
  }
}

/**
 * The matrix, or some of its rows, in f32 [rows, columns]: a tensor of the open scope; of an f32 matrix the tensor itself or a view
 * (`firstRow` × row bytes must then be a multiple of 256). Errors: TensorTooLarge, ShapeMismatch.
 */
export function expand(context: OpContext, weight: StoredWeight, range?: RowRange): Tensor {
  const { firstRow, rowCount } = range ?? { firstRow: 0, rowCount: weight.rows }
  if (weight.kind === "f32") return range ? rowsView(weight.tensor, firstRow, rowCount) : weight.tensor
  if (firstRow < 0 || rowCount < 1 || firstRow + rowCount > weight.rows) {
    const rows = `rows ${firstRow}..${firstRow + rowCount}`
    throw new ShapeMismatch(
      "expand",
      `${rows} are outside of ${weight.words.label} [${weight.rows}, ${weight.columns}]`,
    )
  }
  return dequantise(context, weight, rowCount, { firstRow })
}

/** output [R, columns] = the matrix's rows[r] in f32, for rows u32 [R], each below its rows: only these are expanded. */
export function expandRows(context: OpContext, weight: StoredWeight, rows: Tensor): Tensor {
  if (weight.kind === "f32") return gatherRows(context, weight.tensor, rows)
  return dequantise(context, weight, indexCount("expandRows", "rows", rows), { rows })
}

function dequantise(
  context: OpContext,
  { kind, columns, words, scales }: PackedWeight,
  rowCount: number,
  which: { readonly firstRow: number } | { readonly rows: Tensor },
): Tensor {
  const output = context.memory.allocate([rowCount, columns], "f32", `${words.label}.expanded`)
  const isListed = "rows" in which
  context.recorder.dispatch({
    kernel: dequantiseRowsKernel,
    variant: dequantiseRowsKernel.variants[`${kind}.${packOf(columns)}`],
    // What a variant does not read is filled with the words.
    tensors: [words, scales ?? words, isListed ? which.rows : words, output],
    params: {
      row_count: rowCount,
      packs_per_row: packsPerRow(columns),
      first_row: isListed ? 0 : which.firstRow,
      is_listed: Number(isListed),
    },
    workgroupCount: Math.ceil((rowCount * packsPerRow(columns)) / 64),
  })
  return output
}
