import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { afterEach, beforeEach, expect, it } from "vitest"
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import { keptMetrics } from "#gpu-runner/fleet/kept-metrics.ts"
import { MetricsRelay } from "#gpu-runner/fleet/metrics-relay.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { leasedJob } from "./gateway-stand-in.ts"

let directory = ""
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "yohaku-kept-metrics-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

it("a job that is taken up again has all metrics up to its checkpoint, and not those that will be written again", () => {
  const folder = new RunFolder(directory)
  for (let step = 1; step <= 10; step++) folder.appendMetrics(step, { step, loss: 1 / step })
  expect(keptMetrics(directory)).toEqual([])
  folder.writeCheckpoint(8, new Uint8Array([1, 2, 3]), { count: 1, always: [] })
  expect(keptMetrics(directory)).toEqual(
    Array.from({ length: 8 }, (_, index) => ({ step: index + 1, metrics: { step: index + 1, loss: 1 / (index + 1) } })),
  )
})

it("a line that a killed writer left half is passed over, and a folder that is not there has none", () => {
  const folder = new RunFolder(directory)
  folder.appendMetrics(1, { step: 1 })
  folder.writeCheckpoint(2, new Uint8Array([1]), { count: 1, always: [] })
  writeFileSync(path.join(directory, "metrics.jsonl"), '{"step":1}\nnull\n{"st')
  expect(keptMetrics(directory)).toEqual([{ step: 1, metrics: { step: 1 } }])
  expect(keptMetrics(path.join(directory, "nowhere"))).toEqual([])
})

it("metrics whose steps begin again go in calls of their own, each from its own first step", async () => {
  const calls: [number, number[]][] = []
  const api = {
    metrics: (_lease: unknown, fromStep: number, lines: readonly string[]) =>
      Effect.sync(() => {
        calls.push([fromStep, lines.map((line) => (JSON.parse(line) as { step: number }).step)])
      }),
  } as unknown as RunnerApi["Service"]
  const relay = new MetricsRelay()
  for (const step of [1, 2, 3, 4, 3, 4, 5, 9]) relay.push(step, { step })
  await Effect.runPromise(Effect.provideService(relay.flush(leasedJob()), RunnerApi, api))
  expect(calls).toEqual([
    [1, [1, 2, 3, 4]],
    [3, [3, 4, 5]],
    [9, [9]],
  ])
})
