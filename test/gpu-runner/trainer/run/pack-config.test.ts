// A pack is tokenised and weighed already: options that would change that are refused, not ignored.
import { Result } from "effect"
import { afterAll, expect, test } from "vitest"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { trainOnPack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const modelDir = writeTinyModel(workspace)

test.each([
  ["heldOutShare", { heldOutShare: 0.1 }],
  ["overflow", { overflow: "truncate" }],
  ["responseIncludesHeader", { responseIncludesHeader: true }],
  ["chatTemplateOptions", { chatTemplateOptions: { enable_thinking: false } }],
  ["strengthAsWeight", { strengthAsWeight: true }],
  ["maxBadShare", { maxBadShare: 0.5 }],
])("%s is refused before the device is touched", async (key, written) => {
  const config = Result.getOrThrow(decodeTrainConfig(written))
  const run = trainOnPack({
    gpu: undefined as never,
    modelDir,
    pack: "none",
    config,
    outDir: workspace.at("out"),
  })
  await expect(run).rejects.toThrow(UnusableConfig)
  await expect(run).rejects.toThrow(`${key} is for data files`)
})

test("a maxLength above the model's limit is refused where it was asked for, though the dataset has it", async () => {
  const config = Result.getOrThrow(decodeTrainConfig({ maxLength: 100_000 }))
  const run = { gpu: undefined as never, modelDir, pack: "none", config, outDir: workspace.at("out") }
  await expect(trainOnPack({ ...run, maxLength: 100_001 })).rejects.toThrow(
    /^maxLength 100000 is above the model's limit/,
  )
})
