// Frozen matrices on the device in f32, bf16, f16, int8 or nf4: upload, look-up of rows, expansion into f32 scratch tensors for kernels
// that do not read codes. Values are those of shared/formats/weights/quantisation.ts, bit for bit.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import { rowsView, type Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { type Lane4, lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { exceedsFloat16 } from "#shared/formats/weights/float16-range.ts"
import {
  blocksPerRow,
  type CodedKind,
  type HostMatrix,
  isQuantised,
  wordsPerRow,
} from "#shared/formats/weights/quantisation.ts"
import { lane4Of, lane4sPerRow } from "../choose-variant.ts"
import { expectShape, indexCount, matrixShape } from "../expect-shape.ts"
import { gatherRange } from "../rows/rows.ts"
import { type RowRange, rowRanges } from "./matrix-ranges.ts"

const dequantiseRowsKernel = loadKernel("dequantise_rows", dequantiseVariants())

/** `bf16.vec4` … `nf4.scalar`. */
function dequantiseVariants(): Record<`${CodedKind}.${Lane4}`, KernelVariant> {
  const all = (["bf16", "f16", "int8", "nf4"] as const).flatMap((kind) =>
    Object.entries(lane4Variants()).map(([lane4, { modules = [] }]) => [
      `${kind}.${lane4}`,
      { modules: [`weights_${kind}`, ...modules] },
    ]),
  )
  return Object.fromEntries(all)
}

interface MatrixShape {
  readonly rows: number
  readonly columns: number
}

/** A matrix [rows, columns] = [out, in] as the device holds it: whole, or where it exceeds one binding in ranges of rows. */
export type StoredWeight = WholeWeight | RangedWeight

export type WholeWeight = (MatrixShape & { readonly kind: "f32"; readonly tensor: Tensor }) | CodedWeight

export interface RangedWeight extends MatrixShape {
  readonly kind: "ranges"
  /** At least two, in the order of their rows. */
  readonly ranges: readonly WholeWeight[]
}

export interface CodedWeight extends MatrixShape {
  readonly kind: CodedKind
  /** u32 [rows, wordsPerRow] */
  readonly words: Tensor
  /** f32 [rows, blocksPerRow] of int8 and nf4, else undefined */
  readonly scales: Tensor | undefined
}

/** What a product may have as its second operand: a tensor [rows, columns], or a matrix as it is held. */
export type MatrixOperand = Tensor | StoredWeight

/** A matrix, or one range of it, as kernels see it: what is held in f32 is its tensor. */
export type WholeOperand = Tensor | CodedWeight

/** A range of an operand's rows. */
export interface OperandRange extends RowRange {
  readonly operand: WholeOperand
}

export function isRanged(matrix: MatrixOperand): matrix is RangedWeight {
  return "kind" in matrix && matrix.kind === "ranges"
}

export function isCoded(operand: WholeOperand): operand is CodedWeight {
  return "kind" in operand
}

/** The operand as kernels see it. */
export function operandOf(matrix: Tensor | WholeWeight): WholeOperand {
  return "kind" in matrix && matrix.kind === "f32" ? matrix.tensor : (matrix as WholeOperand)
}

/** The ranges that an operand is held in: one, unless it is larger than a binding. */
export function operandRanges(matrix: MatrixOperand): readonly OperandRange[] {
  if (!isRanged(matrix)) {
    const operand = operandOf(matrix)
    return [{ firstRow: 0, rowCount: isCoded(operand) ? operand.rows : operand.shape[0]!, operand }]
  }
  let firstRow = 0
  return matrix.ranges.map((weight) => {
    const range = { firstRow, rowCount: weight.rows, operand: operandOf(weight) }
    firstRow += weight.rows
    return range
  })
}

/** The tensors behind an operand. */
export function operandTensors(matrix: MatrixOperand): readonly Tensor[] {
  return operandRanges(matrix).flatMap(({ operand }) => {
    if (!isCoded(operand)) return [operand]
    return operand.scales ? [operand.words, operand.scales] : [operand.words]
  })
}

/** Rows and columns of an operand; a tensor that is no f32 matrix is a ShapeMismatch. */
export function operandShape(op: string, name: string, matrix: MatrixOperand): readonly [number, number] {
  return "kind" in matrix ? [matrix.rows, matrix.columns] : matrixShape(op, name, matrix)
}

/** Fails with ShapeMismatch unless the operand is an f32 or coded matrix [rows, columns]. */
export function expectOperandShape(op: string, name: string, matrix: MatrixOperand, shape: readonly [number, number]) {
  if (!("kind" in matrix)) return expectShape(op, name, matrix, shape)
  if (matrix.rows === shape[0] && matrix.columns === shape[1]) return
  const held = `${matrix.kind} [${matrix.rows},${matrix.columns}]`
  throw new ShapeMismatch(op, `${name} (${operandTensors(matrix)[0]!.label}) must be [${shape}], it is ${held}`)
}

/** Some rows of an operand as a view on its buffers; `firstRow` × 4 bytes must be a multiple of 256 unless a row's bytes are. */
export function operandRows(operand: WholeOperand, { firstRow, rowCount }: RowRange): WholeOperand {
  if (!isCoded(operand)) return rowsView(operand, firstRow, rowCount)
  const { words, scales } = operand
  return {
    ...operand,
    rows: rowCount,
    words: rowsView(words, firstRow, rowCount),
    scales: scales && rowsView(scales, firstRow, rowCount),
  }
}

/** operandRows of a matrix as it is held. */
export function weightRows(weight: WholeWeight, range: RowRange): WholeWeight {
  const operand = operandRows(operandOf(weight), range)
  return isCoded(operand) ? operand : { ...weight, kind: "f32", rows: range.rowCount, tensor: operand }
}

/**
 * Uploads a matrix into permanent buffers, in ranges of rows where it is larger than `matrixRangeBytes` of the context once expanded.
 * Errors: TensorTooLarge.
 */
export function uploadWeight(context: OpContext, matrix: HostMatrix, label: string): StoredWeight {
  const { rows, columns } = matrix
  const ranges = rowRanges(context.matrixRangeBytes, rows, columns, label)
  if (ranges.length === 1) return uploadWhole(context, matrix, label)
  const uploaded: WholeWeight[] = []
  try {
    for (const range of ranges) {
      uploaded.push(uploadWhole(context, hostRows(matrix, range), `${label}[${range.firstRow}…]`))
    }
  } catch (error) {
    for (const weight of uploaded) releaseWeight(context, weight)
    throw error
  }
  return { kind: "ranges", rows, columns, ranges: uploaded }
}

function hostRows(matrix: HostMatrix, { firstRow, rowCount }: RowRange): HostMatrix {
  const { columns } = matrix
  const rowsOf = <Values extends Float32Array | Uint32Array>(values: Values, width: number) =>
    values.subarray(firstRow * width, (firstRow + rowCount) * width) as Values
  if (matrix.kind === "f32") return { ...matrix, rows: rowCount, values: rowsOf(matrix.values, columns) }
  const { kind, words, scales } = matrix
  return {
    ...matrix,
    rows: rowCount,
    words: rowsOf(words, wordsPerRow(kind, columns)),
    scales: scales && rowsOf(scales, blocksPerRow(columns)),
  }
}

/** Buffers of matrices with a magnitude beyond 65,504: products must not round them to f16. */
const beyondF16 = new WeakSet<GPUBuffer>()

/** Whether an operand is known to hold a magnitude that f16 does not; of tensors that no matrix was uploaded into, nothing is known. */
export function isBeyondF16(matrix: MatrixOperand): boolean {
  return operandTensors(matrix).some(({ buffer }) => beyondF16.has(buffer))
}

function uploadWhole(context: OpContext, matrix: HostMatrix, label: string): WholeWeight {
  const weight = allocateWhole(context, matrix, label)
  fillWeight(context, weight, matrix)
  return weight
}

/** Uploads a matrix into the buffers of one of its kind and shape. */
export function fillWeight(context: OpContext, weight: WholeWeight, matrix: HostMatrix): void {
  const data = matrix.kind === "f32" ? [matrix.values] : [matrix.words, matrix.scales]
  // Looked at only where products round to f16: a large model takes seconds.
  const isBeyond = context.matrixUnits !== undefined && exceedsFloat16(matrix)
  operandTensors(weight).forEach((tensor, index) => {
    upload(context, tensor, data[index]!)
    if (isBeyond) beyondF16.add(tensor.buffer)
  })
}

/** A matrix's permanent buffers with undefined contents, in the ranges that uploadWeight would cut it into. */
export function allocateWeight(
  context: OpContext,
  { kind, rows, columns }: Pick<HostMatrix, "kind" | "rows" | "columns">,
  label: string,
): StoredWeight {
  const ranges = rowRanges(context.matrixRangeBytes, rows, columns, label).map(({ rowCount }) =>
    allocateWhole(context, { kind, rows: rowCount, columns }, label),
  )
  return ranges.length === 1 ? ranges[0]! : { kind: "ranges", rows, columns, ranges }
}

function allocateWhole(
  context: OpContext,
  { kind, rows, columns }: Pick<HostMatrix, "kind" | "rows" | "columns">,
  label: string,
): WholeWeight {
  const permanent = (name: string, dtype: "f32" | "u32", width: number) =>
    context.memory.allocatePermanent([rows, width], dtype, name)
  if (kind === "f32") return { kind, rows, columns, tensor: permanent(label, "f32", columns) }
  return {
    kind,
    rows,
    columns,
    words: permanent(`${label}.${kind}`, "u32", wordsPerRow(kind, columns)),
    scales: isQuantised(kind) ? permanent(`${label}.scales`, "f32", blocksPerRow(columns)) : undefined,
  }
}

/** Gives the matrix's buffers back to the pool. */
export function releaseWeight(context: OpContext, weight: StoredWeight): void {
  for (const tensor of operandTensors(weight)) {
    beyondF16.delete(tensor.buffer)
    context.memory.release(tensor)
  }
}

/** A coded matrix in f32 [rows, columns], a tensor of the open scope. Errors: TensorTooLarge. */
export function expand(context: OpContext, weight: CodedWeight): Tensor {
  const output = context.memory.allocate([weight.rows, weight.columns], "f32", `${weight.words.label}.expanded`)
  dequantise(context, weight, output)
  return output
}

/** output [R, columns] = the matrix's rows[r] in f32, for rows u32 [R], each below its rows: only these are expanded. */
export function expandRows(context: OpContext, weight: StoredWeight, rows: Tensor): Tensor {
  const rowCount = indexCount("expandRows", "rows", rows)
  const output = context.memory.allocate([rowCount, weight.columns], "f32", "expand_rows.output")
  for (const { operand, firstRow } of operandRanges(weight)) {
    if (isCoded(operand)) dequantise(context, operand, output, { rows, firstRow })
    else gatherRange(context, operand, rows, output, firstRow)
  }
  return output
}

/** Writes a coded matrix's rows to `output` in order; or where `listed`, those of its rows that lie in this range of it. */
function dequantise(
  context: OpContext,
  { kind, rows, columns, words, scales }: CodedWeight,
  output: Tensor,
  listed?: { readonly rows: Tensor; readonly firstRow: number },
): void {
  const rowCount = output.shape[0]!
  context.recorder.dispatch({
    kernel: dequantiseRowsKernel,
    variant: dequantiseRowsKernel.variants[`${kind}.${lane4Of(columns)}`],
    // What a variant does not read is filled with the words.
    tensors: [words, scales ?? words, listed?.rows ?? words, output],
    params: {
      row_count: rowCount,
      lane4s_per_row: lane4sPerRow(columns),
      first_row: listed?.firstRow ?? 0,
      input_row_count: rows,
      is_listed: Number(listed !== undefined),
    },
    workgroupCount: Math.ceil((rowCount * lane4sPerRow(columns)) / 64),
  })
}
