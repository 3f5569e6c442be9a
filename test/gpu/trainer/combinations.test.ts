// Whole runs with every choice drawn from a seed, and what must hold of each of them. 4 runs in `npm test`, 96 in `npm run test:full`.
import { readFileSync } from "node:fs"
import { Result } from "effect"
import { afterAll, expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { TrainReport } from "#gpu-runner/trainer/results/artefacts.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { isFullRun } from "#test/full-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { BATCH, type CombinedRun, drawRun, type OpenedRun, openRun } from "./combined-run.ts"
import { type Line, metricsOf, timeless } from "./tiny-run.ts"

const RUNS = isFullRun ? 96 : 4
const SEED = 20_261_125

const workspace = createWorkspace()
afterAll(workspace.remove)
const decode = (config: Record<string, unknown>) => Result.getOrThrow(decodeTrainConfig(config))

for (let index = 0; index < RUNS; index++) {
  const run = drawRun(index, SEED)
  softwareTest(`run ${index}, ${run.name}`, async (context) => {
    const opened = await openRun(workspace, run, decode)
    const report = await trainRun(context.gpu, opened.inputs(`${index}`))
    const lines = metricsOf(workspace, `${index}`)
    await isConsistent(`${index}`, report, lines)
    await resumesToItsBytes(context, run, opened, `${index}`, report)
    await isTheSameInMicroBatches(context, run, opened, `${index}`, lines)
    if (run.hasHeldOut) {
      const again = await opened.scoredAgain(context, `${index}`)
      expect(again, "scored again").toBeCloseTo(report.heldOut!.after.metrics["eval_logps/chosen"] as number, 4)
      if (!run.config.earlyStoppingPatience) await isNotMovedByEvaluation(context, opened, `${index}`, report)
    }
  })
}

async function isConsistent(out: string, report: TrainReport, lines: readonly Line[]): Promise<void> {
  expect(lines.map(({ step }) => step)).toEqual(Array.from({ length: report.stepsDone }, (_, step) => step + 1))
  for (const line of lines) {
    for (const [name, value] of Object.entries(line)) {
      if (typeof value !== "string") expect(Number.isFinite(value), `${name} of step ${line.step}: ${value}`).toBe(true)
    }
  }
  expect(report.lastMetrics).toEqual(lines.at(-1))
  expect([report.loss.first, report.loss.last]).toEqual([lines[0]!.loss, lines.at(-1)!.loss])
  expect([report.updates, report.skippedSteps]).toEqual([report.stepsDone, 0])
  expect(report.tokens).toBe(lines.at(-1)!.num_tokens)
  expect(report.isStoppedEarly || report.stepsDone === report.steps).toBe(true)
  for (const [name, digest] of Object.entries(report.files)) {
    expect(await sha256Hex(readFileSync(workspace.at(out, name)))).toBe(digest)
  }
}

async function resumesToItsBytes(
  context: OpContext,
  { killedAfter }: CombinedRun,
  { inputs }: OpenedRun,
  whole: string,
  expected: TrainReport,
): Promise<void> {
  const out = `${whole}-killed`
  const step = Math.min(killedAfter, expected.stepsDone - 1)
  const dying = inputs(
    out,
    {},
    {
      onProgress: (event) => {
        if (event._tag === "Step" && event.step === step) throw new Error("killed")
      },
    },
  )
  await expect(trainRun(context.gpu, dying)).rejects.toThrow("killed")
  const report = await trainRun(context.gpu, inputs(out, {}, { resume: true }))
  expect(report.resumedFromStep).toBeLessThanOrEqual(step)
  expect(report.files).toEqual(expected.files)
  expect(timeless(metricsOf(workspace, out))).toEqual(timeless(metricsOf(workspace, whole)))
  for (const name of ["heldOut", "best", "loss", "tokens", "stepsDone", "selfTest", "reference"] as const) {
    expect(report[name], name).toEqual(expected[name])
  }
}

/** The first step alone: later ones start from parameters in which Adam has blown differences of rounding up. */
async function isTheSameInMicroBatches(
  context: OpContext,
  { cutTokens, config, hasReference }: CombinedRun,
  { inputs }: OpenedRun,
  whole: string,
  lines: readonly Line[],
): Promise<void> {
  const out = `${whole}-cut`
  const early = { maxSteps: 1, epochs: 1, loadBestAtEnd: false, earlyStoppingPatience: 0, evaluateEvery: 0 }
  await trainRun(context.gpu, inputs(out, { ...early, tokensPerMicroBatch: cutTokens }))
  // With gaps of nothing but rounding, z is rounding over the floor of the deviation, 1e-3: αβ·1e3 times as large.
  const tolerance = config.method === "alpha-dpo" && !hasReference ? 2e-4 : 2e-5
  const [cut, line] = [metricsOf(workspace, out)[0]!, lines[0]!]
  for (const name of ["loss", "grad_norm", "logps/chosen", "entropy"]) {
    const difference = Math.abs(cut[name]! - line[name]!) / Math.max(1, Math.abs(line[name]!))
    expect(difference, `${name} in micro-batches of ${cutTokens} tokens, ${BATCH} rows`).toBeLessThan(tolerance)
  }
}

async function isNotMovedByEvaluation(
  context: OpContext,
  { inputs }: OpenedRun,
  whole: string,
  expected: TrainReport,
): Promise<void> {
  const report = await trainRun(context.gpu, inputs(`${whole}-alone`, { evaluateEvery: 0 }, { heldOut: [] }))
  expect(report.files).toEqual(expected.files)
  expect(report.heldOut).toBeNull()
}
