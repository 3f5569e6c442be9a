// Training killed with signal 9 and resumed, again and again, ends with the loss sequence and the weights of an undisturbed run: the same
// SHA-256. 30 kills in `npm run test:full`, 3 in `npm test`; every second one falls into the writing of a checkpoint.
import { afterAll, expect, test } from "vitest"
import { isFullRun } from "#test/full-run.ts"
import { readEvents } from "#test/gpu-runner/support/read-events.ts"
import { createWorkspace, jsonLines, tinyPairs, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { killedAndResumed, undisturbed } from "./killed-training.ts"

const KILLS = isFullRun ? 30 : 3
const STEPS = 8 * (KILLS + 1)

/** A process takes some seconds to start and may share its cores. */
const LIMIT = { timeout: isFullRun ? 1_800_000 : 300_000 }

const workspace = createWorkspace()
afterAll(workspace.remove)
const pairs = tinyPairs(18)
const files = [
  ["--model", writeTinyModel(workspace)],
  ["--data", workspace.write("pairs.jsonl", jsonLines(pairs.slice(0, 14)))],
  ["--held-out", workspace.write("held-out.jsonl", jsonLines(pairs.slice(14)))],
]

const cases = [
  ["LoRA", { loraRank: 4, learningRate: 2e-3 }, "adapter_model.safetensors"],
  [
    "a full fine-tune with 8-bit moments",
    { loraRank: 0, learningRate: 5e-4, optimiser: "adamw-8bit" },
    "model.safetensors",
  ],
] as const

test.each(cases)(
  `%s, killed ${KILLS} times, ends with the bytes of an undisturbed run`,
  LIMIT,
  async (name, own, weightsFile) => {
    const common = { method: "alpha-dpo", batch: 4, maxSteps: STEPS, checkpointEvery: 2, evaluateEvery: 5 }
    const config = workspace.write(`${weightsFile}.json`, JSON.stringify({ ...common, ...own }))
    const run = (folder: string) => ({
      arguments: [...files, ["--config", config]].flat(),
      out: workspace.at(weightsFile, folder),
      weightsFile,
    })
    const { halfWritten: _, ...expected } = await undisturbed(run("undisturbed"))
    const { halfWritten, ...killed } = await killedAndResumed(run("killed"), STEPS, KILLS, 20_261_125)
    expect(killed, name).toEqual(expected)
    expect(killed.steps).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1))
    // The moment is short, and the signal may come after it; most of the attempts must hit.
    expect(halfWritten).toBeGreaterThanOrEqual(Math.floor(KILLS / 4))
    const events = readEvents(workspace.at(weightsFile, "killed", "tensorboard"))
    expect(events.slice(1).map(({ step }) => step)).toEqual(Array.from({ length: STEPS + 1 }, (_, i) => i))
  },
)
