// Whole rows of a matrix: gatherRows, its backward scatterAddRows with the grouping that makes it free of atomics, scaleRows, a bias for
// every row with its backward, and the sums of columns that this takes.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { type Kernel, type KernelVariant, loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { type Lane4, lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { lane4Of, lane4sPerRow } from "../choose-variant.ts"
import { expectDistinct, expectShape, indexCount, matrixShape } from "../expect-shape.ts"
import { type F32Matrix, f32MatrixShape, tensorRanges } from "../matmul/matrix-ranges.ts"

const addRowBiasKernel = loadKernel("add_row_bias", lane4Variants())
const columnPartialsKernel = loadKernel("column_partials", lane4Variants())
const columnSumKernel = loadKernel("column_sum", lane4Variants())
const gatherRowsKernel = loadKernel("gather_rows", lane4Variants())
const scaleRowsKernel = loadKernel("scale_rows", lane4Variants())
const scatterAddRowsKernel = loadKernel("scatter_add_rows", lane4Variants())

/** Rows that one partial sum covers; the same number stands in common/column_blocks.wgsl. */
const BLOCK_ROWS = 64

/** A kernel of one Lane4 of a row an invocation; row_count and lane4s_per_row are parameters of it. */
type RowKernel = Kernel<Readonly<Record<Lane4, KernelVariant>>>

function dispatchRows(
  context: OpContext,
  kernel: RowKernel,
  tensors: readonly Tensor[],
  [rows, columns]: readonly [number, number],
  params: Readonly<Record<string, number>> = {},
): void {
  const lane4s = lane4sPerRow(columns)
  context.recorder.dispatch({
    kernel,
    variant: kernel.variants[lane4Of(columns)],
    tensors,
    params: { row_count: rows, lane4s_per_row: lane4s, ...params },
    workgroupCount: Math.ceil((rows * lane4s) / 64),
  })
}

/** Which rows of a gather's output came from which row of its input, grouped by input row, members in order. */
export interface RowGroups {
  readonly targets: Tensor
  readonly starts: Tensor
  readonly members: Tensor
  readonly groupCount: number
  readonly memberCount: number
  /** The largest target, so that shape checks need no readback. */
  readonly largestTarget: number
}

/** output [R, C] = input[rows[r]] for input [T, C] and rows u32 [R], each below T; a row may be named any number of times. */
export function gatherRows(context: OpContext, input: Tensor, rows: Tensor): Tensor {
  const [, columns] = matrixShape("gatherRows", "input", input)
  const rowCount = indexCount("gatherRows", "rows", rows)
  const output = context.memory.allocate([rowCount, columns], "f32", "gather_rows.output")
  gatherRange(context, input, rows, output, 0)
  return output
}

/** Writes those rows of `output` [R, C] that lie in `input`, the range of a matrix that begins at its row `firstInputRow`. */
export function gatherRange(context: OpContext, input: Tensor, rows: Tensor, output: Tensor, firstInputRow: number) {
  const [inputRowCount, columns] = matrixShape("gatherRange", "input", input)
  const rowCount = indexCount("gatherRange", "rows", rows)
  expectShape("gatherRange", "output", output, [rowCount, columns])
  dispatchRows(context, gatherRowsKernel, [input, rows, output], [rowCount, columns], {
    first_input_row: firstInputRow,
    input_row_count: inputRowCount,
  })
}

/** output [R, C] = factors[r] · input[r] for input [R, C] and factors f32 [R]. */
export function scaleRows(context: OpContext, input: Tensor, factors: Tensor): Tensor {
  const [rows, columns] = matrixShape("scaleRows", "input", input)
  expectShape("scaleRows", "factors", factors, [rows])
  const output = context.memory.allocate([rows, columns], "f32", "scale_rows.output")
  dispatchRows(context, scaleRowsKernel, [input, factors, output], [rows, columns])
  return output
}

/** dInput [T, C] += the rows of dRows [R, C], each at the row it was gathered from. Fixed order of addition. */
export function scatterAddRows(context: OpContext, groups: RowGroups, dRows: Tensor, dInput: F32Matrix): void {
  const [inputRows, columns] = f32MatrixShape("scatterAddRows", "dInput", dInput)
  expectShape("scatterAddRows", "dRows", dRows, [groups.memberCount, columns])
  if (groups.largestTarget >= inputRows) {
    const shape = `[${inputRows},${columns}]`
    throw new ShapeMismatch("scatterAddRows", `row ${groups.largestTarget} is outside of dInput ${shape}`)
  }
  for (const { tensor, firstRow, rowCount } of tensorRanges(dInput)) {
    expectDistinct("scatterAddRows", tensor, [dRows])
    context.recorder.dispatch({
      kernel: scatterAddRowsKernel,
      variant: scatterAddRowsKernel.variants[lane4Of(columns)],
      tensors: [groups.targets, groups.starts, groups.members, dRows, tensor],
      params: {
        group_count: groups.groupCount,
        lane4s_per_row: lane4sPerRow(columns),
        first_output_row: firstRow,
        output_row_count: rowCount,
      },
      workgroupCount: Math.ceil((groups.groupCount * lane4sPerRow(columns)) / 64),
    })
  }
}

/** Groups the row numbers of a gather (host values of its `rows`) and uploads the groups into the open scope. */
export function groupRows(context: OpContext, rows: Uint32Array, label: string): RowGroups {
  if (rows.length === 0) throw new ShapeMismatch("groupRows", `${label} names no row`)
  const membersOf = new Map<number, number[]>()
  rows.forEach((row, member) => {
    const members = membersOf.get(row)
    if (members) members.push(member)
    else membersOf.set(row, [member])
  })
  const targets = [...membersOf.keys()].sort((left, right) => left - right)
  const starts = new Uint32Array(targets.length + 1)
  targets.forEach((target, group) => {
    starts[group + 1] = starts[group]! + membersOf.get(target)!.length
  })
  const members = Uint32Array.from(targets.flatMap((target) => membersOf.get(target)!))
  return {
    targets: uploaded(context, Uint32Array.from(targets), [targets.length], `${label}.targets`),
    starts: uploaded(context, starts, [starts.length], `${label}.starts`),
    members: uploaded(context, members, [members.length], `${label}.members`),
    groupCount: targets.length,
    memberCount: rows.length,
    largestTarget: targets.at(-1)!,
  }
}

/** output [T, N] = input [T, N] + bias [N] in a new tensor: Qwen2's q, k and v. The input's gradient is dOutput as it is. */
export function addRowBias(context: OpContext, input: Tensor, bias: Tensor): Tensor {
  const [rows, columns] = matrixShape("addRowBias", "input", input)
  expectShape("addRowBias", "bias", bias, [columns])
  const output = context.memory.allocate([rows, columns], "f32", "add_row_bias.output")
  dispatchRows(context, addRowBiasKernel, [input, bias, output], [rows, columns])
  return output
}

/** dBias [N] += the sum of dOutput's [T, N] rows, in a fixed order. */
export function rowBiasBackward(context: OpContext, dOutput: Tensor, dBias: Tensor): void {
  addColumnSums(context, "rowBiasBackward", columnPartialsKernel, [dOutput], dBias)
}

/**
 * output [C] += the column sums over T rows, in two stages, so that rows are summed in parallel and still in a fixed order.
 * `partialsKernel` (common/column_blocks.wgsl) writes the sums of 64 rows each, from `inputs`, the first of which is [T, C].
 */
export function addColumnSums(
  context: OpContext,
  op: string,
  partialsKernel: RowKernel,
  inputs: readonly [Tensor, ...Tensor[]],
  output: Tensor,
): void {
  const [rows, columns] = matrixShape(op, "input", inputs[0])
  expectShape(op, "the sum", output, [columns])
  const blocks = Math.ceil(rows / BLOCK_ROWS)
  context.memory.withScope(() => {
    const partials = context.memory.allocate([blocks, columns], "f32", `${op}.partials`)
    const stage = { row_count: rows, block_count: blocks }
    dispatchRows(context, partialsKernel, [...inputs, partials], [blocks, columns], stage)
    dispatchRows(context, columnSumKernel, [partials, output], [1, columns], { row_count: blocks })
    return undefined
  })
}
