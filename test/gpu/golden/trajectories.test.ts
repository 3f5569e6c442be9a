// Twelve optimiser steps of the real trainer against a float64 run of torch.optim.AdamW from the same start, pair by pair in the same order.
import path from "node:path"
import { Result } from "effect"
import { afterAll, expect } from "vitest"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { gpuTest, softwareTest } from "../lanes.ts"
import { metricsOf } from "../trainer/tiny-run.ts"
import { GOLDEN, type RecordedModel, readJson, report, tokenRows } from "./recording.ts"

/** Relative to the expected value. */
const TOLERANCE = 1e-3
/** Below these, in nats, a difference counts as none: the gap starts at exactly 0, and log-probs carry f32's rounding. */
const FLOORS: Readonly<Record<string, number>> = { "gap/mean": 1e-5, "gap/std": 1e-5 }
const COMPARED = [
  "loss",
  "grad_norm",
  "gap/mean",
  "gap/std",
  "learning_rate",
  "logps/chosen",
  "logps/rejected",
] as const

interface Trajectory {
  readonly model: RecordedModel
  readonly config: Readonly<Record<string, unknown>>
  readonly pairs: Parameters<typeof tokenRows>[0]
  readonly steps: readonly Readonly<Record<(typeof COMPARED)[number], number>>[]
}

const workspace = createWorkspace()
afterAll(workspace.remove)

/** What trainRun takes, for a recorded trajectory; training starts from the recorded adapter, where there is one. */
async function runInputs(name: string, { model: modelName, config, pairs }: Trajectory, out: string) {
  const model = await readModelFolder(path.join(GOLDEN, "models", modelName))
  const adapterDir = path.join(GOLDEN, "trajectories", name, "adapter")
  return {
    model,
    baseModel: `golden/${modelName}`,
    config: Result.getOrThrow(decodeTrainConfig(config)),
    train: tokenRows(pairs),
    heldOut: [],
    dropped: {},
    dataDigest: `golden/${name}`,
    referenceDigest: undefined,
    startAdapter: config.loraRank === 0 ? undefined : readAdapterFolder(adapterDir, model),
    outDir: workspace.at(out),
  }
}

for (const name of ["llama-lora", "gemma2-lora", "llama-full", "qwen2-full", "gemma3-full"]) {
  for (const [lane, run] of [
    ["software", softwareTest],
    ["gpu", gpuTest],
  ] as const) {
    run(`${name}: loss, gradient norm and gap follow torch step by step`, async (context) => {
      const trajectory = readJson<Trajectory>(path.join(GOLDEN, "trajectories", name, "trajectory.json"))
      const out = `${name}-${lane}`
      await trainRun(context.gpu, await runInputs(name, trajectory, out))
      const lines = metricsOf(workspace, out)
      expect(lines.length).toBe(trajectory.steps.length)
      const measured = new Map<string, number>()
      trajectory.steps.forEach((expected, step) => {
        for (const key of COMPARED) {
          const difference = Math.abs(lines[step]![key]! - expected[key])
          const allowed = Math.max(TOLERANCE * Math.abs(expected[key]), FLOORS[key] ?? 0)
          expect(difference, `${key} of step ${step + 1}, ${expected[key]}`).toBeLessThanOrEqual(allowed)
          // In units of what is allowed; 1 would be the limit.
          measured.set(key, Math.max(measured.get(key) ?? 0, allowed === 0 ? 0 : difference / allowed))
        }
      })
      report(`${name}, share of what is allowed`, Object.fromEntries(measured))
    })
  }
}
