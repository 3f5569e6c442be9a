// Adapters as peft itself wrote them, in every form that is read here: the log-probs must be peft's.
import { readdirSync } from "node:fs"
import path from "node:path"
import { expect } from "vitest"
import { readAdapterFolder } from "#gpu-runner/data/model/model-folder.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { softwareTest } from "../lanes.ts"
import { scoresOf } from "../models/decoder-passes.ts"
import { GOLDEN, type RecordedModel, readJson, readRecording, report } from "./recording.ts"

/** Nats a token. */
const TOLERANCE = 2e-4

for (const name of readdirSync(path.join(GOLDEN, "adapters")).sort()) {
  softwareTest(`adapter ${name}: log-probs are peft's`, async (context) => {
    const folder = path.join(GOLDEN, "adapters", name)
    const { model: modelName, logProbs } = readJson<{ model: RecordedModel; logProbs: number[] }>(
      path.join(folder, "expected.json"),
    )
    const { model: modelFolder, rows } = await readRecording(modelName)
    const { adapter } = readAdapterFolder(folder, modelFolder)
    const model = createDecoder(context, modelFolder, { positionCount: 32, adapter })
    const scores = await scoresOf(context, model, rows)
    model.release()
    expect(scores.length).toBe(logProbs.length)
    const difference = Math.max(...logProbs.map((expected, index) => Math.abs(scores[index]! - expected)))
    report(`adapter ${name}`, { logProb: difference })
    expect(difference).toBeLessThan(TOLERANCE)
  })
}
