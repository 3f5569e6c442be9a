// What must not matter: which rows share a micro-batch, in what order they lie, how large the micro-batches are.
import fc from "fast-check"
import { afterAll, expect } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { trainRun } from "#gpu-runner/trainer/run/train-run.ts"
import { scoreRows } from "#gpu-runner/trainer/step/score-rows.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"
import { randomDecoder } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { randomRows, tinyConfig } from "../models/tiny.ts"
import { metricsOf, tinyRun } from "./tiny-run.ts"

const NATS = 1e-5
const workspace = createWorkspace()
afterAll(workspace.remove)

// One-token prompts and responses, both sides of a tile's edge, a supervised row, and one response that begins with the other.
const LENGTHS = [
  [1, 1, 1],
  [31, 1, 2],
  [32, 33, 1],
  [5, 27, 32],
  [64, 3, 0],
  [2, 30, 31],
  [17, 9, 4],
  [1, 40, 12],
] as const

function rowsWithSharedBeginning(rows: readonly TokenRow[]): TokenRow[] {
  return rows.map((row, index) => {
    if (index % 3 !== 0) return row
    const rejectedIds = row.rejectedIds.slice()
    rejectedIds.set(row.chosenIds.subarray(0, rejectedIds.length))
    return { ...row, rejectedIds }
  })
}

softwareTest(
  "batch composition, the order of the rows and micro-batch size never matter beyond 1e-5 nats a token",
  async (context) => {
    const config = tinyConfig()
    const model = createDecoder(context, { config, tensors: randomDecoder(config, 21, 1.5) }, { positionCount: 80 })
    const rows = rowsWithSharedBeginning(randomRows(config, LENGTHS))
    const alone = new Map<string, readonly number[]>()
    for (const row of rows) {
      const [scores] = await scoreRows(context, model, [row], { tokenBudget: 1 })
      alone.set(row.id, [...scores!.chosen, ...scores!.rejected])
    }
    const batches = fc.record({
      order: fc.shuffledSubarray(rows, { minLength: 1, maxLength: rows.length }),
      tokenBudget: fc.integer({ min: 1, max: 500 }),
    })
    await fc.assert(
      fc.asyncProperty(batches, async ({ order, tokenBudget }) => {
        const scores = await scoreRows(context, model, order, { tokenBudget })
        order.forEach(({ id }, index) => {
          const { chosen, rejected } = scores[index]!
          const expected = alone.get(id)!
          const actual = [...chosen, ...rejected]
          expect(actual).toHaveLength(expected.length)
          actual.forEach((value, token) => {
            expect(Math.abs(value - expected[token]!), `token ${token} of ${id}`).toBeLessThan(NATS)
          })
        })
      }),
      { numRuns: 25, seed: 7 },
    )
    model.release()
  },
)

softwareTest(
  "a step's loss and gradient do not depend on the order of its rows or on its micro-batches",
  async (context) => {
    const tiny = await tinyRun(workspace, 10)
    const config = { batch: 10, epochs: 1, shuffle: false }
    await trainRun(context.gpu, tiny.inputs("plain", config))
    const [plain] = metricsOf(workspace, "plain")
    const orders = [tiny.rows.toReversed(), [...tiny.rows.slice(3), ...tiny.rows.slice(0, 3)]]
    for (const [index, train] of orders.entries()) {
      for (const tokensPerMicroBatch of [1, 90, 400]) {
        const out = `order-${index}-${tokensPerMicroBatch}`
        await trainRun(context.gpu, tiny.inputs(out, { ...config, tokensPerMicroBatch }, { train }))
        const [line] = metricsOf(workspace, out)
        for (const name of ["loss", "grad_norm", "logps/chosen", "logps/rejected", "entropy"]) {
          expect(Math.abs(line![name]! / plain![name]! - 1), `${name} of ${out}`).toBeLessThan(1e-5)
        }
      }
    }
  },
)

softwareTest("a pair of weight 2 counts as one that stands there twice, however the step is cut", async (context) => {
  const tiny = await tinyRun(workspace, 4)
  const [first, second, ...others] = tiny.rows
  const weighted = [{ ...first!, weight: 2 }, second!, ...others]
  const twice = [first!, { ...first!, id: "again" }, second!, ...others]
  for (const method of ["dpo", "simpo", "sft"]) {
    const firstStep = async (train: readonly TokenRow[], tokensPerMicroBatch: number) => {
      const rows = method === "sft" ? train.map((row) => ({ ...row, rejectedIds: new Uint32Array(0) })) : train
      const config = { method, batch: 5, epochs: 1, tokensPerMicroBatch }
      await trainRun(context.gpu, tiny.inputs("weighted", config, { train: rows }))
      return metricsOf(workspace, "weighted")[0]!
    }
    const expected = await firstStep(twice, 4096)
    const plain = await firstStep(tiny.rows, 4096)
    expect(Math.abs(plain.grad_norm! / expected.grad_norm! - 1), method).toBeGreaterThan(1e-3)
    for (const tokens of [4096, 60]) {
      const actual = await firstStep(weighted, tokens)
      for (const name of ["loss", "grad_norm"]) {
        expect(Math.abs(actual[name]! / expected[name]! - 1), `${name} of ${method}`).toBeLessThan(1e-5)
      }
    }
  }
})
