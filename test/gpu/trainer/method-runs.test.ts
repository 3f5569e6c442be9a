// Whole runs of the methods that need more than pairs of sums: KTO, TDPO, LD-DPO, WPO; what they learn, log, and refuse.
import { afterAll, describe, expect } from "vitest"
import { ReferenceMismatch } from "#gpu-runner/data/errors.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import type { RunInputs } from "#gpu-runner/trainer/run/run-inputs.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { randomAdapter } from "../models/tiny.ts"
import { metricsOf, timeless, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 8)

/** The same responses as single labelled completions. */
const labelled: readonly TokenRow[] = tiny.rows.flatMap(({ id, promptIds, chosenIds, rejectedIds, weight }) => [
  { id: `${id}+`, promptIds, chosenIds, rejectedIds: new Uint32Array(0), weight, label: true },
  { id: `${id}-`, promptIds, chosenIds: rejectedIds, rejectedIds: new Uint32Array(0), weight, label: false },
])

const kto = { method: "kto", epochs: 6, batch: 8 }

softwareTest("KTO on labelled completions parts desirable from undesirable, from λ/2 on", async (context) => {
  const inputs = tiny.inputs("kto", kto, { train: labelled, heldOut: tiny.rows })
  const report = await trainRun(context.gpu, inputs)
  const lines = metricsOf(workspace, "kto")
  const [first, last] = [lines[0]!, lines.at(-1)!]
  expect(first.loss).toBeCloseTo(0.5, 5)
  expect(first.kl!).toBeLessThan(1e-5)
  expect(last.loss).toBeLessThan(0.45)
  expect(last["rewards/chosen"]!).toBeGreaterThan(0)
  expect(last["rewards/rejected"]!).toBeLessThan(0)
  expect(last["rewards/margins"]!).toBeCloseTo(last["rewards/chosen"]! - last["rewards/rejected"]!, 12)
  expect(report.pairs.train).toBe(16)
  expect(report.reference.source).toBe("computed")
  expect(report.heldOut!.before.pairs).toBe(8)
  expect(report.heldOut!.after.accuracy).toBe(1)
  expect(last.eval_loss!).toBeLessThan(0.45)
})

softwareTest("KTO takes pairs as one row a side, and its steps do not depend on how they are cut", async (context) => {
  await trainRun(context.gpu, tiny.inputs("kto-whole", { ...kto, epochs: 2 }))
  await trainRun(context.gpu, tiny.inputs("kto-cut", { ...kto, epochs: 2, tokensPerMicroBatch: 100 }))
  const [whole, cut] = [metricsOf(workspace, "kto-whole"), metricsOf(workspace, "kto-cut")]
  expect(whole).toHaveLength(4)
  whole.forEach((line, step) => {
    for (const name of ["loss", "kl", "entropy", "logps/chosen"]) {
      const difference = Math.abs(cut[step]![name]! - line[name]!)
      expect(difference, `${name} of step ${step + 1}`).toBeLessThan(2e-4 * Math.max(1, Math.abs(line[name]!)))
    }
  })
})

softwareTest("a killed KTO run, resumed, repeats the uninterrupted one's metrics", async (context) => {
  const inputs = (out: string, more: Partial<RunInputs> = {}) => tiny.inputs(out, { ...kto, epochs: 2 }, more)
  const whole = await trainRun(context.gpu, inputs("kto-uninterrupted", { train: labelled }))
  const stopping = inputs("kto-killed", {
    train: labelled,
    onProgress: (event) => {
      if (event._tag === "Step" && event.step === 3) throw new Error("killed")
    },
  })
  await expect(trainRun(context.gpu, stopping)).rejects.toThrow("killed")
  const resumed = await trainRun(context.gpu, inputs("kto-killed", { train: labelled, resume: true }))
  expect(resumed.files).toEqual(whole.files)
  expect(timeless(metricsOf(workspace, "kto-killed"))).toEqual(timeless(metricsOf(workspace, "kto-uninterrupted")))
})

softwareTest("KTO on pairs without shuffling sees both sides in every step", async (context) => {
  await trainRun(context.gpu, tiny.inputs("kto-in-turn", { ...kto, epochs: 1, batch: 6, shuffle: false }))
  for (const line of metricsOf(workspace, "kto-in-turn")) {
    expect(Object.keys(line)).toEqual(expect.arrayContaining(["rewards/chosen", "rewards/rejected"]))
  }
})

softwareTest("KTO on the answers of one prompt says that its KL is no KL", async (context) => {
  const { promptIds } = tiny.rows[0]!
  const train = labelled.map((row) => ({ ...row, promptIds }))
  const warned: string[] = []
  const onProgress: RunInputs["onProgress"] = (event) => {
    if (event._tag === "Warned") warned.push(event.message)
  }
  await trainRun(context.gpu, tiny.inputs("kto-alone", { ...kto, epochs: 1 }, { train, onProgress }))
  expect(warned).toContainEqual(
    expect.stringMatching(/^no row has a completion of another prompt to estimate kto's KL with/),
  )
})

describe("TDPO", () => {
  softwareTest(
    "starts at ln 2 without divergence and ends with both, against the base without its adapter",
    async (context) => {
      const config = { method: "tdpo", epochs: 8, batch: 8 }
      const report = await trainRun(context.gpu, tiny.inputs("tdpo", config, { heldOut: tiny.rows }))
      const lines = metricsOf(workspace, "tdpo")
      expect(lines[0]!.loss).toBeCloseTo(Math.LN2, 5)
      expect(lines[0]!["divergence/chosen"]).toBe(0)
      expect(lines.at(-1)!["divergence/rejected"]!).toBeGreaterThan(0.01)
      expect(lines.at(-1)!.loss).toBeLessThan(0.6)
      // The held-out evaluation reads divergences too: with the training pairs held out it nearly repeats the next step's loss.
      expect(lines.at(-1)!.eval_loss!).toBeLessThan(lines.at(-1)!.loss!)
      expect(report.heldOut!.after.accuracy).toBe(1)
    },
  )

  softwareTest("in a full fine-tune measures its distance from a frozen copy", async (context) => {
    const config = { method: "tdpo", tdpoVariant: 1, loraRank: 0, learningRate: 1e-3, epochs: 4, batch: 8 }
    await trainRun(context.gpu, tiny.inputs("tdpo-full", config))
    const lines = metricsOf(workspace, "tdpo-full")
    expect(lines[0]!["divergence/chosen"]).toBe(0)
    expect(lines.at(-1)!["divergence/chosen"]!).toBeGreaterThan(1e-3)
    expect(lines.at(-1)!.loss).toBeLessThan(Math.LN2)
  })

  softwareTest("from a start adapter measures it from the base with that adapter", async (context) => {
    const adapter = randomAdapter(tiny.model.config, 4, 41)
    const config = { method: "tdpo", batch: 8, epochs: 3 }
    const inputs = tiny.inputs("tdpo-started", config, { startAdapter: { adapter, digest: "random" } })
    await trainRun(context.gpu, inputs)
    const lines = metricsOf(workspace, "tdpo-started")
    expect(lines[0]!.loss).toBeCloseTo(Math.LN2, 5)
    expect(lines[0]!["divergence/rejected"]).toBe(0)
    expect(lines.at(-1)!["divergence/rejected"]!).toBeGreaterThan(1e-3)
  })
})

softwareTest("LD-DPO with α = 1 takes DPO's very steps; less than 1 takes others", async (context) => {
  const run = async (out: string, config: Record<string, unknown>) => {
    await trainRun(context.gpu, tiny.inputs(out, { epochs: 2, batch: 8, ...config }))
    return metricsOf(workspace, out).map(({ loss, grad_norm }) => [loss, grad_norm])
  }
  const dpo = await run("ld-as-dpo", { method: "dpo" })
  expect(await run("ld-one", { method: "ld-dpo", ldAlpha: 1 })).toEqual(dpo)
  expect(await run("ld-less", { method: "ld-dpo", ldAlpha: 0.2 })).not.toEqual(dpo)
})

softwareTest("WPO logs the mean weight, an SFT term the chosen responses' NLL", async (context) => {
  const config = { method: "simpo", useWeighting: true, sftWeight: 0.1, batch: 8 }
  await trainRun(context.gpu, tiny.inputs("wpo", config))
  const [line] = metricsOf(workspace, "wpo")
  expect(line!["weighting/mean"]!).toBeGreaterThan(0)
  // A token less likely than what the policy samples on average weighs less than 1; so do two such responses.
  expect(line!["weighting/mean"]!).toBeLessThan(1)
  const tokens = tiny.rows.reduce((sum, { chosenIds }) => sum + chosenIds.length, 0)
  expect(line!.nll_loss!).toBeCloseTo((-8 * line!["logps/chosen"]!) / tokens, 4)
})

describe("refused before the first step", () => {
  const sums = (row: TokenRow) => ({
    ...row,
    reference: {
      chosen: { sum: -1, count: row.chosenIds.length },
      rejected: { sum: -2, count: row.rejectedIds.length },
    },
  })
  const attempt = (context: { gpu: Parameters<typeof trainRun>[0] }, method: string, train: readonly TokenRow[]) =>
    trainRun(context.gpu, tiny.inputs("refused", { method }, { train }))

  softwareTest("a given reference for KTO, which does not hold its mismatched completions", async (context) => {
    await expect(attempt(context, "kto", tiny.rows.map(sums))).rejects.toThrow(ReferenceMismatch)
  })

  softwareTest("a reference of sums alone for LD-DPO", async (context) => {
    await expect(attempt(context, "ld-dpo", tiny.rows.map(sums))).rejects.toThrow(/ld-dpo needs token by token; score/)
  })

  softwareTest("labelled completions for a method that compares pairs", async (context) => {
    await expect(attempt(context, "dpo", labelled)).rejects.toThrow(UnusableConfig)
    await expect(attempt(context, "dpo", labelled)).rejects.toThrow(
      /"pair-0\+" is a labelled completion.*use method kto/,
    )
  })

  softwareTest("a single row for KTO", async (context) => {
    await expect(attempt(context, "kto", labelled.slice(0, 1))).rejects.toThrow(/needs at least two; add rows/)
  })
})
