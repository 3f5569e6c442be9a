import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { CallRefused, GatewayUnavailable } from "#gpu-runner/client/call-failure.ts"
import { InvalidDataFile, NoUsableRows, ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import {
  DeviceLost,
  GpuOutOfMemory,
  GpuValidationFailed,
  NoAdapter,
  TensorTooLarge,
} from "#gpu-runner/device/errors.ts"
import { attempt, isRetryable, type JobFailed } from "#gpu-runner/fleet/job-failure.ts"
import { DeviceUnreliable, UnusableConfig } from "#gpu-runner/trainer/errors.ts"
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

  it("is worth another try where the gateway was away, and not where it refused", () => {
    expect(isRetryable(new GatewayUnavailable({ message: "503" }))).toBe(true)
    expect(isRetryable(new CallRefused({ status: 404, message: "no such blob" }))).toBe(false)
    expect(isRetryable(new Error("a fault in the runner"))).toBe(false)
  })
})
