// A run that outlives its device: after a loss (driver reset, GPU taken away) it goes on from the last checkpoint on a new one, and ends
// with the same bytes.
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import { DeviceLost } from "#gpu-runner/device/errors.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { DeviceUnreliable } from "../errors.ts"
import type { TrainReport } from "../results/artefacts.ts"
import type { RunInputs } from "./run-inputs.ts"
import { trainRun } from "./train-run.ts"

/** So many losses without a new checkpoint in between end the run. */
const MOST_LOSSES_WITHOUT_PROGRESS = 3

/** WebGPU reports a loss after the calls that fail from it. */
const LOSS_REPORT_MS = 50

/**
 * As trainRun. `device` gives the open device, or after a loss a new one; it is asked once an attempt and stays the owner.
 * Errors: those of trainRun and `device`, and DeviceUnreliable.
 */
export async function trainThroughDeviceLoss(
  device: () => Promise<GpuDevice>,
  inputs: RunInputs,
): Promise<TrainReport> {
  const folder = new RunFolder(inputs.outDir)
  let attempt = inputs
  let newestStep = inputs.resume ? folder.newestStep : 0
  let losses = 0
  for (;;) {
    const gpu = await device()
    try {
      return await trainRun(gpu, attempt)
    } catch (error) {
      const loss = await lossBehind(error, gpu)
      if (!loss) throw error
      losses = folder.newestStep > newestStep ? 1 : losses + 1
      newestStep = folder.newestStep
      if (losses >= MOST_LOSSES_WITHOUT_PROGRESS) throw new DeviceUnreliable(losses, loss)
      inputs.onProgress?.({ _tag: "DeviceLost", losses, reason: loss.reason })
      attempt = { ...inputs, resume: true }
    }
  }
}

/** The loss that an error stems from; undefined if the device is sound. */
async function lossBehind(error: unknown, gpu: GpuDevice): Promise<DeviceLost | undefined> {
  if (error instanceof DeviceLost) return error
  await new Promise((resolve) => setTimeout(resolve, LOSS_REPORT_MS))
  try {
    gpu.throwIfFailed()
    return undefined
  } catch (failure) {
    return failure instanceof DeviceLost ? failure : undefined
  }
}
