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
