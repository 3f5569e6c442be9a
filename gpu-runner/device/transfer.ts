// Moves data between host and device: uploads in the order of recording, readbacks with one map for any number of tensors.
import type { OpContext } from "./context.ts"
import { ShapeMismatch } from "./errors.ts"
import { elementCount, type Tensor } from "./tensor.ts"

export type HostArray = Float32Array | Uint32Array

/** Overwrites a tensor with `data` (same element count, matching dtype). Takes effect after everything recorded before. */
export function upload(context: OpContext, tensor: Tensor, data: HostArray): void {
  const dtype = data instanceof Float32Array ? "f32" : "u32"
  if (dtype !== tensor.dtype || data.byteLength !== tensor.byteLength) {
    const wanted = `${tensor.dtype} [${tensor.shape}]`
    throw new ShapeMismatch("upload", `${tensor.label} is ${wanted}, the data is ${dtype} with ${data.length} elements`)
  }
  context.recorder.write(tensor, data)
}

/** Allocates a tensor in the open scope and fills it with `data`; its dtype follows the array. */
export function uploaded(context: OpContext, data: HostArray, shape: readonly number[], label: string): Tensor {
  if (elementCount(shape, label) !== data.length) {
    throw new ShapeMismatch("uploaded", `${label} has shape [${shape}], the data has ${data.length} elements`)
  }
  const tensor = context.memory.allocate(shape, data instanceof Float32Array ? "f32" : "u32", label)
  upload(context, tensor, data)
  return tensor
}

/** Submits, waits, and returns the tensors' bits as f32 in order, with a single map round trip. */
export async function readback(context: OpContext, tensors: readonly Tensor[]): Promise<Float32Array[]> {
  const { gpu, recorder, staging } = context
  const totalBytes = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0)
  if (totalBytes === 0) return []
  const buffer = staging.take(totalBytes)
  let offset = 0
  for (const tensor of tensors) {
    recorder.copyToBuffer(tensor, buffer, offset)
    offset += tensor.byteLength
  }
  try {
    recorder.submit()
    await gpu.wait(buffer.mapAsync(GPUMapMode.READ, 0, totalBytes))
  } catch (error) {
    buffer.destroy()
    throw error
  }
  const values = slices(buffer.getMappedRange(0, totalBytes), tensors).map((part) => new Float32Array(part))
  staging.give(buffer)
  return values
}

function slices(mapped: ArrayBuffer, tensors: readonly Tensor[]): ArrayBuffer[] {
  let offset = 0
  return tensors.map((tensor) => {
    const part = mapped.slice(offset, offset + tensor.byteLength)
    offset += tensor.byteLength
    return part
  })
}
