// The typed failures of the device layer. Each message says how to mend the cause.
import { taggedError } from "./tagged-error.ts"

const LESS_AT_ONCE = "Take fewer tokens at once (tokensPerMicroBatch, or a lower maxLength)"

/** No usable adapter; the message names what to install. */
export class NoAdapter extends taggedError<"NoAdapter", { backend: string }>("NoAdapter") {
  constructor(backend: string) {
    super(`No WebGPU adapter for backend "${backend}". ${remedies[backend] ?? ""}`.trim(), { backend })
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
export class DeviceLost extends taggedError<"DeviceLost", { reason: string }>("DeviceLost") {
  constructor(reason: string, message: string) {
    super(`The GPU device was lost (${reason}): ${message} Open a new device and resume from the last checkpoint.`, {
      reason,
    })
  }
}

/** WebGPU refused a call: an error in a kernel or its descriptor, never in the user's data. */
export class GpuValidationFailed extends taggedError("GpuValidationFailed") {
  constructor(message: string) {
    super(`WebGPU refused a call: ${message}`)
  }
}

/** The device has no memory left for an allocation. */
export class GpuOutOfMemory extends taggedError("GpuOutOfMemory") {
  constructor(message: string) {
    super(
      `The GPU is out of memory: ${message} ${LESS_AT_ONCE}, hold the base in fewer bits (baseWeights), or free memory that other programs hold.`,
    )
  }
}

/** A tensor does not fit into one storage binding of this adapter. `finding` says so without a way out. */
export class TensorTooLarge extends taggedError<"TensorTooLarge", { finding: string }>("TensorTooLarge") {
  constructor(label: string, byteLength: number, limitBytes: number) {
    const finding = `Tensor ${label} needs ${byteLength} bytes, this adapter binds at most ${limitBytes}`
    super(`${finding}. ${LESS_AT_ONCE}, or use a smaller model or another adapter.`, { finding })
  }
}

/** An op was called with tensors whose shapes or dtypes do not belong together. */
export class ShapeMismatch extends taggedError<"ShapeMismatch", { op: string }>("ShapeMismatch") {
  constructor(op: string, message: string) {
    super(`${op}: ${message}`, { op })
  }
}

/** A tensor was released twice, used after release, or scopes were closed out of order. */
export class MemoryMisuse extends taggedError("MemoryMisuse") {}
