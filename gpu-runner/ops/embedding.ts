// Token embedding: a gather of table rows, and its deterministic backward pass.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { gatherRows, type RowGroups, scatterAddRows } from "./rows.ts"

/** output [T, C] = table[ids[t]] for table [V, C] and ids u32 [T]. Ids must be below V. */
export function embedding(context: OpContext, table: Tensor, ids: Tensor): Tensor {
  return gatherRows(context, table, ids)
}

/** dTable [V, C] += dOutput [T, C], each row at its id; `groups` = groupRows(ids). */
export function embeddingBackward(context: OpContext, groups: RowGroups, dOutput: Tensor, dTable: Tensor): void {
  scatterAddRows(context, groups, dOutput, dTable)
}
