// `yohaku sweep` as a user runs it: every cell once, a stopped sweep goes on, a finished one is kept, another one refused.
import { readdirSync, readFileSync, statSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { withReopenedDevice } from "#gpu-runner/cli/with-device.ts"
import { SweepMismatch, TrainingAborted } from "#gpu-runner/trainer/errors.ts"
import { readSweep, runSweep, type SweepRun } from "#gpu-runner/trainer/sweep/sweep.ts"
import { sweepCells } from "#gpu-runner/trainer/sweep/sweep-cells.ts"
import type { CellResult } from "#gpu-runner/trainer/sweep/sweep-table.ts"
import { runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, jsonLines, tinyPairs, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = writeTinyModel(workspace)
const pairs = tinyPairs(14)
const files = {
  data: workspace.write("pairs.jsonl", jsonLines(pairs.slice(0, 10))),
  "held-out": workspace.write("held-out.jsonl", jsonLines(pairs.slice(10))),
  config: workspace.write(
    "base.json",
    JSON.stringify({
      beta: 4,
      epochs: 6,
      batch: 5,
      loraRank: 4,
      learningRate: 5e-3,
      schedule: "constant",
      methods: { dpo: { beta: 0.1 } },
    }),
  ),
}

async function run(out: string, more: Readonly<Record<string, string>> = {}) {
  const options = {
    model,
    ...files,
    out: workspace.at(out),
    methods: "alpha-dpo,dpo",
    seeds: "2",
    noise: "0,1",
    ...more,
  }
  const argv = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  return runYohakuJson("sweep", ...argv)
}

interface Cell {
  readonly name: string
  readonly group: { readonly method: string; readonly noise: number }
  readonly accuracy: number
}

test("every combination is a run of its own, and training on wholly exchanged labels learns the opposite", async () => {
  const { code, result } = await run("swept")
  expect(code).toBe(0)
  const cells: Cell[] = result.cells
  expect(cells).toHaveLength(8)
  expect(readdirSync(workspace.at("swept", "cells")).sort()).toEqual(cells.map(({ name }) => name).sort())
  for (const { group, accuracy } of cells) expect(accuracy, group.method).toBe(group.noise === 0 ? 1 : 0)
  const report = JSON.parse(readFileSync(workspace.at("swept", "cells", "dpo.noise-1.seed-2", "report.json"), "utf8"))
  expect(report.reference.source).toBe("given")
  expect(Math.abs(report.loss.first - Math.LN2)).toBeLessThan(1e-6)
  const markdown = readFileSync(workspace.at("swept", "sweep.md"), "utf8")
  expect(markdown).toContain("| alpha-dpo | 100.0 ± 0.0 | 0.0 ± 0.0 |")
  expect(JSON.parse(readFileSync(workspace.at("swept", "sweep.json"), "utf8"))).toEqual(result)
})

test("swept again, finished cells are kept as they are, and one more seed adds only its own", async () => {
  const report = workspace.at("swept", "cells", "alpha-dpo.noise-0.seed-1", "report.json")
  const written = statSync(report).mtimeMs
  const { result } = await run("swept", { seeds: "3" })
  expect(result.cells).toHaveLength(12)
  expect(statSync(report).mtimeMs).toBe(written)
  expect(readdirSync(workspace.at("swept", "checkpoints")), "scored once for all of them").toEqual(["reference.scores"])
  expect(readFileSync(workspace.at("swept", "sweep.md"), "utf8")).toContain("over seeds 1, 2, 3")
})

test("another configuration in the same folder is refused", async () => {
  const { code, told } = await run("swept", {
    noise: "0",
    config: workspace.write("other.json", '{"batch": 2, "methods": {"dpo": {"beta": 0.1}}}'),
  })
  expect(code).toBe(1)
  expect(told).toMatch(/alpha-dpo\.noise-0\.seed-1 holds a run of another configuration or other data/)
})

test("stopped in the middle of a cell, a sweep goes on from that cell's checkpoint and ends with the same adapters", async () => {
  const axes = { methods: ["simpo"], seeds: [1, 2], noise: [0.5], vary: {} }
  const base = { config: { epochs: 6, batch: 5, loraRank: 4, learningRate: 5e-3, checkpointEvery: 2 }, methods: {} }
  const sweepInto = (out: string, more: Partial<SweepRun> = {}) =>
    withReopenedDevice(async (device) => {
      const { data: dataFile, "held-out": heldOutFile } = files
      const common = { modelDir: model, dataFile, heldOutFile, outDir: workspace.at(out) }
      const run = { ...common, cells: sweepCells(axes, base), ...more }
      return runSweep(device, run, await readSweep(run))
    })
  const whole = await sweepInto("whole")
  const stop = new AbortController()
  const resumed: number[] = []
  const onProgress: SweepRun["onProgress"] = ({ seed }, event) => {
    if (seed === 2 && event._tag === "Step" && event.step === 7) stop.abort()
    if (event._tag === "Resumed") resumed.push(event.step)
  }
  const stopped = await sweepInto("stopped", { onProgress, signal: stop.signal }).catch((error: unknown) => error)
  expect(stopped).toBeInstanceOf(TrainingAborted)
  expect(String(stopped)).toContain("before step 8; the same sweep again goes on from there")
  const again = await sweepInto("stopped", { onProgress })
  expect(resumed).toEqual([0, 0, 7])
  const timeless = (cells: readonly CellResult[]) => cells.map(({ durationSeconds: _, ...rest }) => rest)
  expect(timeless(again)).toEqual(timeless(whole))
  const adapter = (out: string, seed: number) =>
    readFileSync(workspace.at(out, "cells", `simpo.noise-0.5.seed-${seed}`, "adapter_model.safetensors"))
  const others = sweepCells(axes, { ...base, config: { ...base.config, batch: 4 } })
  await expect(sweepInto("whole", { cells: others })).rejects.toThrow(SweepMismatch)
  for (const seed of [1, 2]) expect(adapter("stopped", seed).equals(adapter("whole", seed)), `${seed}`).toBe(true)
})

test.each([
  [{ noise: "2" }, /--noise 2: give values from 0 to 1/],
  [{ seeds: "0" }, /--seeds 0: give at least one/],
  [{ methods: "dpo,dpo" }, /--methods dpo,dpo names a value twice/],
  [{ vary: "batch" }, /--vary batch: write KEY=VALUE,VALUE/],
  [{ vary: "seed=1,2" }, /--vary seed: use --seeds/],
  [{ vary: "maxLength=20,30" }, /maxLength decides what data and reference are and cannot be varied/],
  [{ methods: "sft" }, /compares preference methods; leave sft out/],
  [{ methods: "grpo" }, /cell grpo\.noise-0\.seed-1: .*method/],
])("%j is bad usage", async (more, message) => {
  const { code, told } = await run("refused", more)
  expect(told).toMatch(message)
  expect(code).toBe(2)
})
