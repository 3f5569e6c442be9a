// The matrices of a model: linear layers, embedding and head. A trained one is f32 with a gradient; a frozen one may be held in fewer
// bits: `matmul` multiplies with it as it is held. An adapter is never folded into fewer bits.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { TensorTooLarge } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { type StoredWeight, uploadWeight } from "#gpu-runner/ops/quantised-weight.ts"
import { type BaseWeights, heldKind } from "#shared/formats/base-weights.ts"
import { storedBytes, storeMatrix } from "#shared/formats/quantisation.ts"
import type { Tensor as HostTensor } from "#shared/formats/tensor.ts"

/** A matrix [out, in] and, if it is trained, where its gradient is added: then it is held in f32. */
export interface Matrix {
  readonly stored: StoredWeight
  readonly gradient?: Tensor | undefined
}

/**
 * Uploads a frozen matrix of a checkpoint. Errors: UnstorableWeight; TensorTooLarge, also where the matrix `isMultiplied` and only its
 * expansion does not fit into one binding: better said now than in the first step.
 */
export function uploadFrozen(
  context: OpContext,
  tensor: HostTensor,
  baseWeights: BaseWeights,
  { isMultiplied }: { readonly isMultiplied: boolean },
): Matrix {
  const matrix = storeMatrix(tensor, heldKind(tensor, baseWeights))
  const expandedBytes = storedBytes("f32", matrix.rows, matrix.columns)
  const limitBytes = context.gpu.limits.maxStorageBufferBindingSize
  if (matrix.kind !== "f32" && isMultiplied && expandedBytes > limitBytes) {
    throw new TensorTooLarge(`${tensor.name}, expanded to f32,`, expandedBytes, limitBytes)
  }
  return { stored: uploadWeight(context, matrix, tensor.name) }
}

/** A trained matrix, on the tensors of its bank. */
export function trainedMatrix(value: Tensor, gradient: Tensor): Matrix {
  const [rows, columns] = value.shape
  return { stored: { kind: "f32", rows: rows!, columns: columns!, tensor: value }, gradient }
}
