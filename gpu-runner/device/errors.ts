// The typed failures of the device layer. Plain classes with a `_tag`, so that Effect code can catch them by tag
// and plain code by `instanceof`. Each message says how to mend the cause.

const LESS_AT_ONCE = "Take fewer tokens at once (tokensPerMicroBatch, or a lower maxLength)"

/** No usable adapter; the message names what to install. */
export class NoAdapter extends Error {
  readonly _tag = "NoAdapter"
  readonly backend: string
  constructor(backend: string) {
    super(`No WebGPU adapter for backend "${backend}". ${remedies[backend] ?? ""}`.trim())
    this.name = "NoAdapter"
    this.backend = backend
  }
}

const remedies: Readonly<Record<string, string>> = {
  vulkan:
    "Install the vendor's Vulkan driver, or Mesa 24 or newer for a software device " +
    "(Debian, Ubuntu: `apt-get install mesa-vulkan-drivers libvulkan1`), and set XDG_RUNTIME_DIR.",
  metal: "Metal needs macOS on Apple silicon or a supported AMD GPU.",
  d3d12: "Direct3D 12 needs a Windows display driver with feature level 11.0 or newer.",
}

/** The device went away: driver reset, GPU removed, or out of memory inside the driver. Open a new one and resume from a checkpoint. */
export class DeviceLost extends Error {
  readonly _tag = "DeviceLost"
  readonly reason: string
  constructor(reason: string, message: string) {
    super(`The GPU device was lost (${reason}): ${message} Open a new device and resume from the last checkpoint.`)
    this.name = "DeviceLost"
    this.reason = reason
  }
}

/** WebGPU refused a call: an error in a kernel or its descriptor, never in the user's data. */
export class GpuValidationFailed extends Error {
  readonly _tag = "GpuValidationFailed"
  constructor(message: string) {
    super(`WebGPU refused a call: ${message}`)
    this.name = "GpuValidationFailed"
  }
}

/** The device has no memory left for an allocation. */
export class GpuOutOfMemory extends Error {
  readonly _tag = "GpuOutOfMemory"
  constructor(message: string) {
    super(
      `The GPU is out of memory: ${message} ${LESS_AT_ONCE}, hold the base in fewer bits (baseWeights), or free memory that other programs hold.`,
    )
    this.name = "GpuOutOfMemory"
  }
}

/** A tensor does not fit into one storage binding of this adapter. */
export class TensorTooLarge extends Error {
  readonly _tag = "TensorTooLarge"
  /** What is too large, without a way out. */
  readonly finding: string
  constructor(label: string, byteLength: number, limitBytes: number) {
    const finding = `Tensor ${label} needs ${byteLength} bytes, this adapter binds at most ${limitBytes}`
    super(`${finding}. ${LESS_AT_ONCE}, or use a smaller model or another adapter.`)
    this.finding = finding
    this.name = "TensorTooLarge"
  }
}

/** An op was called with tensors whose shapes or dtypes do not belong together. */
export class ShapeMismatch extends Error {
  readonly _tag = "ShapeMismatch"
  readonly op: string
  constructor(op: string, message: string) {
    super(`${op}: ${message}`)
    this.name = "ShapeMismatch"
    this.op = op
  }
}

/** A tensor was released twice, used after release, or scopes were closed out of order. */
export class MemoryMisuse extends Error {
  readonly _tag = "MemoryMisuse"
  constructor(message: string) {
    super(message)
    this.name = "MemoryMisuse"
  }
}
