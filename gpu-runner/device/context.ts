// The first argument of every op: a device, the recorder of its dispatches, and its memory.
import { Memory } from "./memory.ts"
import type { GpuDevice } from "./open-device.ts"
import { Recorder } from "./recorder.ts"
import { Staging } from "./staging.ts"

export interface OpContext {
  readonly gpu: GpuDevice
  readonly recorder: Recorder
  readonly memory: Memory
  readonly staging: Staging
  readonly kernels: KernelChoice
}

/**
 * `tuned`: ops take the kernels that suit the adapter. `portable`: the reference kernels, which run everywhere.
 * `gpu`: what `tuned` takes on a real GPU, on any adapter.
 */
export type KernelChoice = "tuned" | "portable" | "gpu"

/** A fresh context on an open device. One device may have several; their tensors must not be mixed before a submit. */
export function createContext(gpu: GpuDevice, kernels: KernelChoice = "tuned"): OpContext {
  const recorder = new Recorder(gpu)
  return { gpu, recorder, memory: new Memory(gpu, recorder), staging: new Staging(gpu), kernels }
}

/** Submits what is recorded and gives back all that the context holds for reuse; it must not be used afterwards. Tensors in use stay. */
export function closeContext({ recorder, memory, staging }: OpContext): void {
  try {
    memory.trim()
  } finally {
    staging.destroy()
    recorder.destroy()
  }
}
