import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { CallRefused, GatewayUnavailable } from "#gpu-runner/client/call-failure.ts"
import { InvalidDataFile, NotEnoughSpace, NoUsableRows, ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { HubRefused } from "#gpu-runner/data/hub/errors.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import {
  DeviceLost,
  GpuOutOfMemory,
  GpuValidationFailed,
  NoAdapter,
  TensorTooLarge,
} from "#gpu-runner/device/errors.ts"
import { HubAway } from "#gpu-runner/fleet/blob-cache.ts"
import { attempt, isBeyondRunner, isRetryable, type JobFailed } from "#gpu-runner/fleet/job-failure.ts"
import { DeviceUnreliable, ModelTooLarge, UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"

/** How a job ends whose work throws this. */
const failureOf = (thrown: unknown): Promise<JobFailed> =>
  Effect.runPromise(Effect.flip(attempt(() => Promise.reject(thrown))))

describe("a job that failed", () => {
  it("is worth another try where the device gave way", async () => {
    for (const error of [
      new DeviceLost("unknown", "gone."),
      new GpuOutOfMemory("full."),
      new DeviceUnreliable(3, "reset"),
    ]) {
      expect(isRetryable(await failureOf(error)), error.name).toBe(true)
    }
  })

  it("is worth another try where an earlier attempt still holds its folder", async () => {
    const directory = path.join(mkdtempSync(path.join(tmpdir(), "yohaku-")), "job-1")
    const release = lockFolder(directory)
    const failed = await Effect.runPromise(Effect.flip(attempt(async () => lockFolder(directory))))
    release()
    expect(failed.message).toContain("is in use: this very process is training into it")
    expect(isRetryable(failed)).toBe(true)
  })

  it("is not where the data, the model or the configuration are at fault", async () => {
    const errors = [
      new InvalidDataFile("pack", 3, "no JSON"),
      new NoUsableRows("pack", {}),
      new ReferenceMismatch("other weights"),
      new InvalidModel("config.json is not JSON"),
      new UnusableConfig("loraRank 0 cannot be served"),
      new TensorTooLarge("logits", 2 ** 33, 2 ** 31),
      new GpuValidationFailed("a binding is missing"),
      new NoAdapter("vulkan"),
    ]
    for (const error of errors) expect(isRetryable(await failureOf(error)), error.name).toBe(false)
  })

  it("is worth another try where the fault is none of ours: a full disk has room again", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
    const failed = await failureOf(full)
    const message = `the runner's disk is full (${full.message}); free some of it, and the job is tried again`
    expect(failed).toMatchObject({ _tag: "JobFailed", message, retryable: true, cause: full })
    expect(isRetryable(await failureOf("a word"))).toBe(true)
  })

  it("is for another runner where this one's memory, disk, adapter or way to the hub is in the way, and not else", async () => {
    const file = { repository: "acme/tiny", commit: "c", path: "model.safetensors", digest: "d" }
    const beyond = [
      new ModelTooLarge(16e9, 12e9, []),
      new TensorTooLarge("logits", 2 ** 33, 2 ** 31),
      new NoAdapter("vulkan"),
      new NotEnoughSpace("blobs", 2e9, 1e9),
      Object.assign(new Error("write"), { code: "ENOSPC" }),
      new HubAway(file, { endpoint: "https://hub.test", token: undefined }, new Error("it answers 503")),
      new HubRefused("acme/tiny is private", 401, "set HF_TOKEN"),
    ]
    for (const error of beyond) expect(isBeyondRunner(await failureOf(error)), error.name).toBe(true)
    const others = [
      new DeviceLost("unknown", "gone."),
      new InvalidModel("no JSON"),
      new UnusableConfig("no"),
      new Error("x"),
    ]
    for (const error of others) expect(isBeyondRunner(await failureOf(error)), error.name).toBe(false)
    expect(isBeyondRunner(new GatewayUnavailable({ message: "503" }))).toBe(false)
  })

  it("is worth another try where the gateway was away, and not where it refused", () => {
    expect(isRetryable(new GatewayUnavailable({ message: "503" }))).toBe(true)
    expect(isRetryable(new CallRefused({ status: 404, message: "no such blob" }))).toBe(false)
    expect(isRetryable(new Error("a fault in the runner"))).toBe(false)
  })
})
