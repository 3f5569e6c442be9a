// The first argument of every op: a device, the recorder of its dispatches, and its memory.
import type { ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import type { MatrixUnits } from "./matrix-units.ts"
import { Memory } from "./memory.ts"
import type { GpuDevice } from "./open-device.ts"
import { Recorder } from "./recorder.ts"
import { Staging } from "./staging.ts"

/**
 * Products choose their kernel without regard to the number of rows: among those that suit `many` rows, or a `few`. What decoding needs
 * in reading prompts and in its steps, and training does not pay for.
 */
export type SteadyRows = false | "many" | "few"

export interface OpContext {
  readonly gpu: GpuDevice
  readonly recorder: Recorder
  readonly memory: Memory
  readonly staging: Staging
  readonly kernels: KernelChoice
  /** Of products that do not say it themselves. */
  readonly precision: ProductPrecision
  /** The subgroup matrices that products may use. */
  readonly matrixUnits: MatrixUnits | undefined
  /** A stored matrix with more bytes than this in f32 lies in several buffers, each with a range of its rows. */
  readonly matrixRangeBytes: number
  /** Whether a row of a product is the same, bit for bit, whatever rows stand beside it. */
  readonly steadyRows: SteadyRows
}

/**
 * `tuned`: ops take the kernels that suit the adapter. `portable`: the reference kernels, which run everywhere.
 * `gpu`: what `tuned` takes on a real GPU, on any adapter.
 */
export type KernelChoice = "tuned" | "portable" | "gpu"

// What a coded range takes where it has to be expanded. Products of a range this long lose nothing against one of the whole.
const MOST_RANGE_BYTES = 256 * 2 ** 20

export interface ContextOptions {
  /** `mixed` by default. */
  readonly precision?: ProductPrecision | undefined
  /** Other subgroup matrices than the adapter's own: emulated ones, in tests. */
  readonly matrixUnits?: MatrixUnits | undefined
  /** Ranges of matrices are as long as one binding allows, at most 256 MiB, or this if it is less. */
  readonly matrixRangeBytes?: number | undefined
  /** False by default. */
  readonly steadyRows?: SteadyRows | undefined
}

/** A fresh context on an open device. One device may have several; their tensors must not be mixed before a submit. */
export function createContext(
  gpu: GpuDevice,
  kernels: KernelChoice = "tuned",
  {
    precision = "mixed",
    matrixUnits = gpu.matrixUnits,
    matrixRangeBytes = MOST_RANGE_BYTES,
    steadyRows = false,
  }: ContextOptions = {},
): OpContext {
  const recorder = new Recorder(gpu)
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.limits
  const rangeBytes = Math.min(matrixRangeBytes, MOST_RANGE_BYTES, maxStorageBufferBindingSize, maxBufferSize)
  return {
    gpu,
    recorder,
    memory: new Memory(gpu, recorder),
    staging: new Staging(gpu),
    kernels,
    precision,
    matrixUnits,
    matrixRangeBytes: rangeBytes,
    steadyRows,
  }
}

/** Gives back all that the context holds for reuse; it must not be used afterwards. Tensors in use stay. What waits for pipelines is dropped. */
export function closeContext({ recorder, memory, staging }: OpContext): void {
  recorder.abandonWaiting()
  try {
    memory.trim()
  } finally {
    staging.destroy()
    recorder.destroy()
  }
}
