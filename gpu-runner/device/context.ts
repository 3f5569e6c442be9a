// The first argument of every op: a device, the recorder of its dispatches, and its memory.
import { Memory } from "./memory.ts"
import type { GpuDevice } from "./open-device.ts"
import { Recorder } from "./recorder.ts"

export interface OpContext {
  readonly gpu: GpuDevice
  readonly recorder: Recorder
  readonly memory: Memory
  /** `tuned`: ops take the fastest kernel that the adapter can run. `portable`: the reference kernels, which run everywhere. */
  readonly kernels: KernelChoice
}

export type KernelChoice = "tuned" | "portable"

/** A fresh context on an open device. One device may have several; their tensors must not be mixed before a submit. */
export function createContext(gpu: GpuDevice, kernels: KernelChoice = "tuned"): OpContext {
  const recorder = new Recorder(gpu)
  return { gpu, recorder, memory: new Memory(gpu, recorder), kernels }
}
