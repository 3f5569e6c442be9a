// Methods that are another one at a value of an option are so in whole runs, to the last bit of what is written; and where policy and
// reference are one model, losses begin at ln 2.
import { afterAll, describe, expect } from "vitest"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { metricsOf, tinyRun } from "./tiny-run.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const tiny = await tinyRun(workspace, 10)
const heldOut = tiny.rows.slice(0, 3)

const RUNS = [
  ["an adapter", {}],
  ["all weights", { loraRank: 0, learningRate: 1e-3 }],
  ["several micro-batches", { tokensPerMicroBatch: 60 }],
  [
    "nf4, smoothing, weights and an SFT term",
    { baseWeights: "nf4", labelSmoothing: 0.1, useWeighting: true, sftWeight: 0.2 },
  ],
] as const

describe("the files and the held-out loss of a run", () => {
  const PAIRS = [
    [{ method: "alpha-dpo", alpha: 0 }, { method: "simpo" }],
    [{ method: "r-dpo", lengthPenalty: 0 }, { method: "dpo" }],
    [{ method: "ld-dpo", ldAlpha: 1 }, { method: "dpo" }],
  ] as const
  for (const [special, plain] of PAIRS) {
    softwareTest(`${JSON.stringify(special)} are those of ${plain.method}, bit for bit`, async (context) => {
      for (const [name, options] of special.method === "alpha-dpo" ? RUNS : RUNS.slice(-1)) {
        const run = (out: string, method: object) =>
          trainRun(context.gpu, tiny.inputs(out, { ...options, ...method, epochs: 2 }, { heldOut }))
        const [first, second] = [await run("special", special), await run("plain", plain)]
        expect(first.files, name).toEqual(second.files)
        expect(first.heldOut!.after.loss, name).toBe(second.heldOut!.after.loss)
        expect(first.loss, name).toEqual(second.loss)
        // α = 0 never reads a reference.
        expect(first.reference.source, name).toBe(special.method === "alpha-dpo" ? "none" : "computed")
      }
    })
  }
})

softwareTest(
  "where policy is reference the first loss is ln 2: exactly, when both are computed in the same micro-batches",
  async (context) => {
    for (const method of ["dpo", "tdpo"]) {
      for (const [name, options] of [
        ["nf4", { baseWeights: "nf4" }],
        ["f32", {}],
        ["all weights", { loraRank: 0 }],
      ] as const) {
        const first = async (tokensPerMicroBatch: number) => {
          await trainRun(context.gpu, tiny.inputs("ln2", { method, maxSteps: 1, tokensPerMicroBatch, ...options }))
          return metricsOf(workspace, "ln2")[0]!.loss!
        }
        expect(await first(1), `${method}, ${name}, a row at a time`).toBe(Math.LN2)
        // Sums of other micro-batches are rounded otherwise: some 1e-6 nats of a response, of which β = .1 takes a tenth.
        expect(Math.abs((await first(4096)) - Math.LN2), `${method}, ${name}`).toBeLessThan(1e-6)
      }
    }
  },
)
