// Opens the device for the length of a command.
import { type GpuDevice, openDevice } from "#gpu-runner/device/open-device.ts"

/** Runs `body` on the platform's adapter and closes it. Errors: NoAdapter and the body's. */
export async function withDevice<T>(body: (gpu: GpuDevice) => Promise<T>): Promise<T> {
  const gpu = await openDevice()
  try {
    return await body(gpu)
  } finally {
    gpu.destroy()
  }
}
