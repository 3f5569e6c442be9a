// The first argument of every op: a device, the recorder of its dispatches, and its memory.
import type { MatrixUnits } from "./matrix-units.ts"
import { Memory } from "./memory.ts"
import type { GpuDevice } from "./open-device.ts"
import { Recorder } from "./recorder.ts"

export interface OpContext {
  readonly gpu: GpuDevice
  readonly recorder: Recorder
  readonly memory: Memory
  readonly kernels: KernelChoice
  /** Of products that do not say it themselves. */
  readonly precision: Precision
  /** The subgroup matrices that products may use. */
  readonly matrixUnits: MatrixUnits | undefined
}

/**
 * `tuned`: ops take the kernels that suit the adapter. `portable`: the reference kernels, which run everywhere.
 * `gpu`: what `tuned` takes on a real GPU, on any adapter.
 */
export type KernelChoice = "tuned" | "portable" | "gpu"

/** `mixed`: a product's operands may be rounded to f16, where the adapter has units for that; sums are f32. `f32`: they may not. */
export type Precision = "mixed" | "f32"

export interface ContextOptions {
  /** `mixed` by default. */
  readonly precision?: Precision
  /** Other subgroup matrices than the adapter's own: emulated ones, in tests. */
  readonly matrixUnits?: MatrixUnits
}

/** A fresh context on an open device. One device may have several; their tensors must not be mixed before a submit. */
export function createContext(
  gpu: GpuDevice,
  kernels: KernelChoice = "tuned",
  { precision = "mixed", matrixUnits = gpu.matrixUnits }: ContextOptions = {},
): OpContext {
  const recorder = new Recorder(gpu)
  return { gpu, recorder, memory: new Memory(gpu, recorder), kernels, precision, matrixUnits }
}

/** Whether the context takes the kernels meant for real GPUs. */
export function takesGpuKernels({ kernels, gpu }: OpContext): boolean {
  return kernels === "gpu" || (kernels === "tuned" && gpu.lane === "gpu")
}
