// The matrices of a model: linear layers, embedding and head. A trained one is f32 with a gradient; a frozen one may be held in fewer
// bits: `matmul` multiplies with it as it is held. An adapter is never folded into fewer bits.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import type { F32Matrix } from "#gpu-runner/ops/matmul/matrix-ranges.ts"
import {
  fillWeight,
  type StoredWeight,
  uploadWeight,
  type WholeWeight,
} from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { type BaseWeights, heldKind } from "#shared/formats/weights/base-weights.ts"
import { storeMatrix } from "#shared/formats/weights/quantisation.ts"
import type { Tensor as HostTensor } from "#shared/formats/weights/tensor.ts"

/** A matrix [out, in] and, if it is trained, where its gradient is added: then it is held in f32, and cut into ranges like its gradient. */
export interface Matrix {
  readonly stored: StoredWeight
  readonly gradient?: F32Matrix | undefined
}

/** Uploads a frozen matrix of a checkpoint, into `place` where it has one already. Errors: UnstorableWeight, TensorTooLarge. */
export function uploadFrozen(
  context: OpContext,
  tensor: HostTensor,
  baseWeights: BaseWeights,
  store: typeof storeMatrix = storeMatrix,
  place?: WholeWeight,
): Matrix {
  const matrix = store(tensor, heldKind(tensor, baseWeights))
  if (!place) return { stored: uploadWeight(context, matrix, tensor.name) }
  fillWeight(context, place, matrix)
  return { stored: place }
}

/** A trained matrix, on the tensors of its bank. */
export function trainedMatrix(values: readonly Tensor[], gradients: readonly Tensor[]): Matrix {
  const ranges = values.map((tensor): WholeWeight => {
    const [rows, columns] = tensor.shape
    return { kind: "f32", rows: rows!, columns: columns!, tensor }
  })
  const [whole, ...further] = ranges
  if (further.length === 0) return { stored: whole!, gradient: gradients[0]! }
  const rows = ranges.reduce((sum, range) => sum + range.rows, 0)
  return { stored: { kind: "ranges", rows, columns: whole!.columns, ranges }, gradient: gradients }
}
