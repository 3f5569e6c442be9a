// A context that computes nothing: ops run as they would, their dispatches go nowhere, and memory counts the buffers it would take.
// What a step needs at its peak is so found by the step's own code, before anything is uploaded.
import type { OpContext } from "./context.ts"
import { Memory } from "./memory.ts"
import type { GpuDevice } from "./open-device.ts"
import type { Recorder } from "./recorder.ts"

/** The public side of a class. */
type PublicOf<T> = { readonly [Key in keyof T]: T[Key] }

class SilentRecorder implements Omit<PublicOf<Recorder>, "pipelines"> {
  dispatch(): void {}
  copy(): void {}
  copyToBuffer(): void {}
  clear(): void {}
  write(): void {}
  submit(): void {}
  submitReady(): void {}
  submitCompiled(): Promise<void> {
    return Promise.resolve()
  }
  deviceIsIdle(): void {}
  abandonWaiting(): void {}
  forgetBindGroups(): void {}
  timeDispatches(): void {}
  destroy(): void {}
  withinPhase<T>(_phase: string, body: () => T): T {
    return body()
  }
}

function countedBuffer(size: number): GPUBuffer {
  return { size, destroy: () => undefined } as unknown as GPUBuffer
}

/** A context with the limits and the kernels of a real one, whose buffers have a size and nothing else. It cannot read back. */
export function rehearsalContext(context: OpContext): OpContext {
  const device = { createBuffer: ({ size }: GPUBufferDescriptor) => countedBuffer(size) } as unknown as GPUDevice
  const gpu: GpuDevice = { ...context.gpu, device }
  const recorder = new SilentRecorder() as unknown as Recorder
  const staging = undefined as unknown as OpContext["staging"]
  return { ...context, gpu, recorder, staging, memory: new Memory(gpu, recorder) }
}
