// One dispatch of a kernel, as an op asks for it.
import type { Kernel, KernelVariant } from "./kernel.ts"
import type { Tensor } from "./tensor.ts"

export interface Dispatch {
  readonly kernel: Kernel
  readonly variant: KernelVariant
  /** In the order of `kernel.bindings`. */
  readonly tensors: readonly Tensor[]
  /** One value for each field of `kernel.params`. */
  readonly params: Readonly<Record<string, number>>
  /** Number of workgroups; spread over two dimensions past 65,535. The kernel's `workgroup_index` undoes this. */
  readonly workgroupCount: number
}

const checked = new WeakSet<Kernel>()

/** Fails with TypeError unless a kernel's first dispatch names exactly the parameters that its WGSL declares. */
export function checkFirstDispatch({ kernel, params }: Dispatch): void {
  if (checked.has(kernel)) return
  for (const name in kernel.params) {
    if (!(name in params)) throw new TypeError(`${kernel.name} was dispatched without its parameter ${name}`)
  }
  for (const name in params) {
    if (!(name in kernel.params))
      throw new TypeError(`${kernel.name} was dispatched with ${name}, which it does not have`)
  }
  checked.add(kernel)
}
