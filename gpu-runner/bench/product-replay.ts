// The bound that a step is held against: its own matrix products, recorded alone. They are taken from a step as it ran: the same kernels
// with the same sizes, weights and order, each with what its kernel adds on the way out (an adapter's half, a residual). Activations are
// replaced by random values that no product writes to, so that a replay can be repeated without numbers growing.
// Outputs of one size share a buffer, which is kinder to caches than a step: the bound is rather too fast than too slow.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Dispatch } from "#gpu-runner/device/dispatch.ts"
import type { TimedDispatch } from "#gpu-runner/device/dispatch-timer.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import { isMatmul } from "#gpu-runner/trainer/step/step-profile.ts"
import { randomValues } from "./random-model.ts"

export interface ProductReplay {
  /** How many dispatches it has. */
  readonly count: number
  /** Records them all. */
  readonly record: () => void
  readonly release: () => void
}

/** The products among the dispatches of a step. `model` is whatever holds the weights: their buffers are used as they are. */
export function replayProducts(context: OpContext, dispatches: readonly TimedDispatch[], model: object): ProductReplay {
  const kept = buffersWithin(model)
  const scratch = new Map<string, Tensor>()
  const standIn = (tensor: Tensor, role: "input" | "output"): Tensor => {
    if (kept.has(tensor.buffer) || tensor.dtype !== "f32") return tensor
    const key = `${role} ${tensor.byteLength}`
    const known = scratch.get(key)
    if (known) return { ...known, shape: tensor.shape }
    const created = context.memory.allocatePermanent(tensor.shape, "f32", `replay.${role}`)
    upload(context, created, randomValues(tensor.byteLength / 4, 1))
    scratch.set(key, created)
    return created
  }
  const products = dispatches.filter(isMatmul).map(({ kernel, variant, tensors, params, workgroupCount }): Dispatch => {
    const access = kernel.bindings
    const replaced = tensors.map((tensor, index) => standIn(tensor, access[index] === "read" ? "input" : "output"))
    return { kernel, variant, params, workgroupCount, tensors: replaced }
  })
  return {
    count: products.length,
    record: () => {
      for (const product of products) context.recorder.dispatch(product)
    },
    release: () => {
      for (const tensor of scratch.values()) context.memory.release(tensor)
    },
  }
}

/** Every buffer that an object's tensors lie in, however deep. */
function buffersWithin(root: object): ReadonlySet<GPUBuffer> {
  const buffers = new Set<GPUBuffer>()
  const seen = new Set<object>()
  const visit = (value: unknown) => {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) return
    seen.add(value)
    if ("buffer" in value && "byteOffset" in value) buffers.add((value as Tensor).buffer)
    else for (const part of value instanceof Map ? value.values() : Object.values(value)) visit(part)
  }
  visit(root)
  return buffers
}
