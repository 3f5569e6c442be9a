// Whole rows of a matrix: gatherRows, its backward scatterAddRows with the grouping that makes it free of atomics, and scaleRows.

import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { loadKernel } from "#gpu-runner/device/kernel.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { lane4Variants } from "#gpu-runner/kernels/variants.ts"
import { lane4Of, lane4sPerRow } from "../choose-variant.ts"
import { expectDistinct, expectShape, indexCount, matrixShape } from "../expect-shape.ts"
import { type F32Matrix, f32MatrixShape, tensorRanges } from "../matmul/matrix-ranges.ts"

const gatherRowsKernel = loadKernel("gather_rows", lane4Variants())
const scaleRowsKernel = loadKernel("scale_rows", lane4Variants())
const scatterAddRowsKernel = loadKernel("scatter_add_rows", lane4Variants())

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
  context.recorder.dispatch({
    kernel: gatherRowsKernel,
    variant: gatherRowsKernel.variants[lane4Of(columns)],
    tensors: [input, rows, output],
    params: {
      row_count: rowCount,
      lane4s_per_row: lane4sPerRow(columns),
      first_input_row: firstInputRow,
      input_row_count: inputRowCount,
    },
    workgroupCount: Math.ceil((rowCount * lane4sPerRow(columns)) / 64),
  })
}

/** output [R, C] = factors[r] · input[r] for input [R, C] and factors f32 [R]. */
export function scaleRows(context: OpContext, input: Tensor, factors: Tensor): Tensor {
  const [rows, columns] = matrixShape("scaleRows", "input", input)
  expectShape("scaleRows", "factors", factors, [rows])
  const output = context.memory.allocate([rows, columns], "f32", "scale_rows.output")
  context.recorder.dispatch({
    kernel: scaleRowsKernel,
    variant: scaleRowsKernel.variants[lane4Of(columns)],
    tensors: [input, factors, output],
    params: { row_count: rows, lane4s_per_row: lane4sPerRow(columns) },
    workgroupCount: Math.ceil((rows * lane4sPerRow(columns)) / 64),
  })
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
