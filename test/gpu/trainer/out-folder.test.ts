// The folder that a run writes into: no other run's, and none of those that the run is made from.
import { readFileSync } from "node:fs"
import { afterAll, expect } from "vitest"
import { FolderInUse } from "#gpu-runner/data/errors.ts"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter } from "../models/tiny.ts"
import { metricsOf, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 8)

softwareTest("a second run into the same folder is refused, and the first one ends unharmed", async (context) => {
  let second: Promise<unknown> | undefined
  const inputs = tiny.inputs(
    "shared",
    { epochs: 2 },
    {
      onProgress: (event) => {
        if (event._tag !== "Step") return
        for (const resume of [false, true]) {
          second = trainRun(context.gpu, tiny.inputs("shared", { epochs: 2 }, { resume }))
          second.catch(() => {})
        }
      },
    },
  )
  const report = await trainRun(context.gpu, inputs)
  await expect(second).rejects.toThrow(FolderInUse)
  expect(metricsOf(workspace, "shared").map(({ step }) => step)).toEqual([1, 2, 3, 4])
  const alone = await trainRun(context.gpu, tiny.inputs("alone", { epochs: 2 }))
  expect(report.files).toEqual(alone.files)
})

softwareTest(
  "a run into the folder of its model or of its start adapter is refused and changes nothing",
  async (context) => {
    const file = workspace.at("model", "model.safetensors")
    const before = readFileSync(file)
    for (const config of [{}, { loraRank: 0, learningRate: 1e-3 }]) {
      const run = trainRun(
        context.gpu,
        tiny.inputs(`../${tiny.model.directory.split("/").slice(-2).join("/")}`, config),
      )
      await expect(run).rejects.toThrow(UnusableConfig)
      await expect(run).rejects.toThrow(/is the folder of the model that is trained.*choose another --out/)
    }
    expect(readFileSync(file).equals(before)).toBe(true)

    const adapter = randomAdapter(tiny.model.config, 4, 41)
    workspace.write("adapter/adapter_config.json", "{}")
    const startAdapter = { adapter, digest: "random", directory: workspace.at("adapter") }
    const run = trainRun(context.gpu, tiny.inputs("adapter", {}, { startAdapter }))
    await expect(run).rejects.toThrow(/is the folder of the adapter that training starts from/)
  },
)
