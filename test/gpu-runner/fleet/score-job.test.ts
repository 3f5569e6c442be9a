// What a score job needs of its runner: nothing, where only its end was not told.
import { Effect } from "effect"
import { expect, test } from "vitest"
import { executeJob } from "#gpu-runner/fleet/execute-job.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import type { JobSpec } from "#shared/wire/job.ts"
import { leasedJob } from "./gateway-stand-in.ts"

const hex = (digit: string) => digit.repeat(64)

const spec: JobSpec = {
  ...{ kind: "score", runId: "run-1", base: { "model.safetensors": hex("b") }, pack: hex("c"), precision: "stored" },
  ...{ pairs: 60, sheet: hex("d"), reference: hex("e") },
}

/** Of a runner that has no device, and a gateway that answers no call. */
const done = (scored: number) => {
  const signal = new AbortController().signal
  const context = { job: leasedJob({ spec, scored }), signal, onProgress: () => undefined, onMetrics: () => undefined }
  const executor = {
    directory: "/nowhere",
    device: async () => {
      throw new Error("no device")
    },
  }
  return Effect.runPromise(Effect.provideService(executeJob(executor, context), RunnerApi, {} as never))
}

test("a job whose pairs are all scored is completed without weights, device or pack, and one that lacks a pair is not", async () => {
  expect(await done(60)).toEqual({ kind: "score" })
  await expect(done(59)).rejects.toThrow("no device")
})
