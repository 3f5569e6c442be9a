// Opens the device for the length of a command.
import { readKernelChoices } from "#gpu-runner/data/kernel-choices.ts"
import { type GpuDevice, type OpenDeviceOptions, openDevice } from "#gpu-runner/device/open-device.ts"

/** Runs `body` on the platform's adapter, or the one that is asked for, and closes it. Errors: NoAdapter and the body's. */
export async function withDevice<T>(body: (gpu: GpuDevice) => Promise<T>, options: OpenDeviceOptions = {}): Promise<T> {
  const gpu = await openDevice({ readKernelChoices, ...options })
  try {
    return await body(gpu)
  } finally {
    gpu.destroy()
  }
}

/**
 * As withDevice, for a body that opens the device when it needs it and asks again after a loss. Dawn writes warnings straight to file
 * descriptor 2 whenever it looks for adapters, so `beforeOpening` must leave the terminal at the start of a line.
 */
export async function withReopenedDevice<T>(
  body: (device: () => Promise<GpuDevice>) => Promise<T>,
  beforeOpening: () => void = () => undefined,
): Promise<T> {
  let opened: GpuDevice | undefined
  const device = async () => {
    if (opened && !isSound(opened)) {
      opened.destroy()
      opened = undefined
    }
    if (opened === undefined) {
      beforeOpening()
      opened = await openDevice({ readKernelChoices })
    }
    return opened
  }
  try {
    return await body(device)
  } finally {
    opened?.destroy()
  }
}

function isSound(gpu: GpuDevice): boolean {
  try {
    gpu.throwIfFailed()
    return true
  } catch {
    return false
  }
}
