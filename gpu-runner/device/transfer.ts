// Moves data between host and device: uploads in the order of recording, readbacks with one map for any number of tensors.
import type { OpContext } from "./context.ts"
import { ShapeMismatch } from "./errors.ts"
import type { LaterRead } from "./staging.ts"
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

/** Records the copy of tensors as they are now, to be read together with whatever is read back next: one wait for both. */
export function readLater({ recorder, staging }: OpContext, tensors: readonly Tensor[]): LaterRead {
  const read = staging.open(tensors.map(({ byteLength }) => byteLength))
  let offset = 0
  for (const tensor of tensors) {
    recorder.copyToBuffer(tensor, read.buffer, offset)
    offset += tensor.byteLength
  }
  return read
}

/** A readback of more is done in parts, so that a checkpoint does not need its own size once more on the device. */
const MOST_READBACK_BYTES = 256 * 2 ** 20

/**
 * Submits, waits, and returns the tensors' bits as f32 in order. One wait serves them and everything that readLater was asked for, unless
 * they are more than `mostBytes`; without tensors, only the latter is read.
 */
export async function readback(
  context: OpContext,
  tensors: readonly Tensor[],
  mostBytes: number = MOST_READBACK_BYTES,
): Promise<readonly Float32Array[]> {
  const { recorder, staging } = context
  const values: Float32Array[] = []
  for (const group of groupsWithin(tensors, mostBytes)) {
    const read = group.length > 0 ? readLater(context, group) : undefined
    if (!staging.hasOpenReads) continue
    await recorder.submitCompiled()
    await staging.readAll()
    recorder.deviceIsIdle()
    values.push(...(read?.values ?? []))
  }
  return values
}

/** Consecutive tensors with at most `mostBytes` together, or one by itself; one empty group for none. */
function groupsWithin(tensors: readonly Tensor[], mostBytes: number): readonly Tensor[][] {
  const groups: Tensor[][] = [[]]
  let bytes = 0
  for (const tensor of tensors) {
    if (bytes > 0 && bytes + tensor.byteLength > mostBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(tensor)
    bytes += tensor.byteLength
  }
  return groups
}
