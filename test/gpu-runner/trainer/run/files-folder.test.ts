// What stands against the output folder of a run is said before anything is read, and so before a device is opened.
import { Result } from "effect"
import { afterAll, expect, test } from "vitest"
import { FolderInUse } from "#gpu-runner/data/errors.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import { UnfinishedRun, UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { readFilesRun } from "#gpu-runner/trainer/run/train-on-files.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const config = Result.getOrThrow(decodeTrainConfig({}))
// Files that are not there: whatever is read first fails in its own words.
const NOWHERE = { modelDir: workspace.at("nowhere"), dataFile: workspace.at("nowhere.jsonl"), config }

test("an unfinished run is refused without resume, and one that still goes on either way", async () => {
  workspace.write(`unfinished/checkpoints/step-00000001.${"0".repeat(16)}.safetensors`, "")
  const outDir = workspace.at("unfinished")
  const read = (resume: boolean) => readFilesRun({ ...NOWHERE, outDir, resume })
  await expect(read(false)).rejects.toThrow(UnfinishedRun)
  await expect(read(true)).rejects.toThrow(/nowhere/)
  const unlock = lockFolder(outDir)
  await expect(read(false)).rejects.toThrow(FolderInUse)
  await expect(read(true)).rejects.toThrow(FolderInUse)
  unlock()
})

test("the model's own folder is refused before the data are read", async () => {
  const modelDir = writeTinyModel(workspace)
  const run = readFilesRun({ ...NOWHERE, modelDir, outDir: modelDir })
  await expect(run).rejects.toThrow(UnusableConfig)
  await expect(run).rejects.toThrow(/is the folder of the model that is trained.*choose another --out/)
})
