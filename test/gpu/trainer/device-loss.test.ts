// A device that goes away in the middle of a run: the run opens another and ends with the same bytes, or gives up by name.
import { afterAll, expect, test } from "vitest"
import { withReopenedDevice } from "#gpu-runner/cli/with-device.ts"
import { type GpuDevice, openDevice } from "#gpu-runner/device/open-device.ts"
import { DeviceUnreliable } from "#gpu-runner/trainer/errors.ts"
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"
import { trainThroughDeviceLoss } from "#gpu-runner/trainer/run/survive-device-loss.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { metricsOf, timeless, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
const opened: GpuDevice[] = []
afterAll(() => {
  workspace.remove()
  for (const gpu of opened) gpu.destroy()
})
const tiny = await tinyRun(workspace, 12)
const config = { epochs: 4, batch: 4, checkpointEvery: 2, schedule: "cosine" }

/** A new device every time it is asked for: it is only asked for after a loss. */
async function device(): Promise<GpuDevice> {
  const gpu = await openDevice({ forceFallback: true })
  opened.push(gpu)
  return gpu
}

/** Takes the device away behind the runner's back, whenever the run comes to a step for the first time. */
function losingAt(steps: readonly number[], seen: ProgressEvent[] = []) {
  const left = new Set(steps)
  return (event: ProgressEvent) => {
    seen.push(event)
    if (event._tag === "Step" && left.delete(event.step)) opened.at(-1)!.device.destroy()
  }
}

test("a run that loses its device three times, with checkpoints in between, ends with the bytes of an undisturbed one", async () => {
  const whole = await trainThroughDeviceLoss(device, tiny.inputs("undisturbed", config))
  const devicesBefore = opened.length
  const seen: ProgressEvent[] = []
  const inputs = tiny.inputs("disturbed", config, { onProgress: losingAt([3, 6, 11], seen) })
  const report = await trainThroughDeviceLoss(device, inputs)
  expect(opened.length - devicesBefore).toBe(4)
  expect(seen.filter(({ _tag }) => _tag === "DeviceLost")).toEqual(
    [1, 1, 1].map((losses) => expect.objectContaining({ losses })),
  )
  expect(report.files).toEqual(whole.files)
  expect(timeless(metricsOf(workspace, "disturbed"))).toEqual(timeless(metricsOf(workspace, "undisturbed")))
})

test("losses before the first step, one after the other, cost nothing but time", async () => {
  const held = { heldOut: tiny.rows.slice(0, 2) }
  const evaluated = { ...config, evaluateEvery: 3 }
  const whole = await trainThroughDeviceLoss(device, tiny.inputs("early-undisturbed", evaluated, held))
  const left = new Set<ProgressEvent["_tag"]>(["Memory", "Evaluated"])
  const onProgress = ({ _tag }: ProgressEvent) => {
    if (left.delete(_tag)) opened.at(-1)!.device.destroy()
  }
  const report = await trainThroughDeviceLoss(device, tiny.inputs("early", evaluated, { ...held, onProgress }))
  expect(left.size).toBe(0)
  expect(report.files).toEqual(whole.files)
  expect(timeless(metricsOf(workspace, "early"))).toEqual(timeless(metricsOf(workspace, "early-undisturbed")))
})

test("three losses without a checkpoint in between end the run, and --resume goes on from there", async () => {
  const onProgress = (event: ProgressEvent) => {
    if (event._tag === "Step" && event.step === 4) opened.at(-1)!.device.destroy()
  }
  const inputs = { ...config, checkpointEvery: 3 }
  const hopeless = trainThroughDeviceLoss(device, tiny.inputs("hopeless", inputs, { onProgress }))
  await expect(hopeless).rejects.toThrow(DeviceUnreliable)
  await expect(hopeless).rejects.toThrow(/lost 3 times without a new checkpoint/)
  const resumed = await trainThroughDeviceLoss(device, tiny.inputs("hopeless", inputs, { resume: true }))
  expect(resumed.resumedFromStep).toBe(3)
  const whole = await trainThroughDeviceLoss(device, tiny.inputs("whole", inputs))
  expect(resumed.files).toEqual(whole.files)
})

test("an error that is no loss is not tried again", async () => {
  let asked = 0
  const counted = () => {
    asked += 1
    return device()
  }
  const onProgress = () => {
    throw new Error("something else")
  }
  const broken = trainThroughDeviceLoss(counted, tiny.inputs("broken", config, { onProgress }))
  await expect(broken).rejects.toThrow("something else")
  expect(asked).toBe(1)
})

test("a command's device stays the same until it is lost, and is another one afterwards", async () => {
  await withReopenedDevice(async (reopened) => {
    const first = await reopened()
    expect(await reopened()).toBe(first)
    first.device.destroy()
    await first.device.lost
    const second = await reopened()
    expect(second).not.toBe(first)
    expect(() => second.throwIfFailed()).not.toThrow()
    expect(await reopened()).toBe(second)
  })
})
