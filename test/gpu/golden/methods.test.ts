// Every method through the real trainer, four optimiser steps of LoRA, against a float64 run of torch from the same adapter and rows: from
// packed forward pass to loss, the methods' own extras (divergences, collisions, mismatched completions, tails), gradient and update.
import path from "node:path"
import { Result } from "effect"
import { afterAll, expect } from "vitest"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf } from "../trainer/tiny-run.ts"
import { GOLDEN, type RecordedModel, readJson, report, tokenRows } from "./recording.ts"

/** Relative to the expected value; KTO's estimate of the KL starts at exactly 0 and has a floor in nats. */
const TOLERANCE = 1e-3
const KL_FLOOR = 1e-4

type RecordedRow = Parameters<typeof tokenRows>[0][number] & { readonly label?: boolean }

interface MethodRun {
  readonly name: string
  /** The trajectory whose adapter the run starts from. */
  readonly start: string
  readonly model: RecordedModel
  readonly rows: string
  readonly config: Readonly<Record<string, unknown>>
  readonly weights?: readonly number[]
  readonly steps: readonly { readonly loss: number; readonly grad_norm: number; readonly kl?: number }[]
}

const recorded = readJson<{ rowSets: Record<string, RecordedRow[]>; runs: MethodRun[] }>(
  path.join(GOLDEN, "trajectories", "methods.json"),
)
const workspace = createWorkspace()
afterAll(workspace.remove)

function rowsOf({ rows, weights }: MethodRun): TokenRow[] {
  const given = recorded.rowSets[rows]!
  return tokenRows(given).map((row, index) => ({
    ...row,
    weight: weights?.[index] ?? 1,
    ...(given[index]!.label === undefined ? {} : { label: given[index]!.label }),
  }))
}

async function runInputs(run: MethodRun, out: string) {
  const model = await readModelFolder(path.join(GOLDEN, "models", run.model))
  return {
    model,
    baseModel: `golden/${run.model}`,
    config: Result.getOrThrow(decodeTrainConfig(run.config)),
    train: rowsOf(run),
    heldOut: [],
    dropped: {},
    dataDigest: `golden/${run.name}`,
    referenceDigest: undefined,
    startAdapter: readAdapterFolder(path.join(GOLDEN, "trajectories", run.start, "adapter"), model),
    outDir: workspace.at(out),
  }
}

recorded.runs.forEach((run, index) => {
  softwareTest(`${run.name} on ${run.model}: loss and gradient norm follow torch for four steps`, async (context) => {
    const out = `run-${index}`
    await trainRun(context.gpu, await runInputs(run, out))
    const lines = metricsOf(workspace, out)
    expect(lines.length).toBe(run.steps.length)
    const measured = { loss: 0, grad_norm: 0, kl: 0 }
    run.steps.forEach((expected, step) => {
      for (const key of ["loss", "grad_norm", "kl"] as const) {
        const value = expected[key]
        if (value === undefined) continue
        const difference = Math.abs(lines[step]![key]! - value)
        const allowed = Math.max(TOLERANCE * Math.abs(value), key === "kl" ? KL_FLOOR : 0)
        expect(difference, `${key} of step ${step + 1}, ${value}`).toBeLessThanOrEqual(allowed)
        measured[key] = Math.max(measured[key], difference / allowed)
      }
    })
    report(`${run.name} on ${run.model}, share of what is allowed`, measured)
  })
})
