// How rows are put together never matters: whatever their lengths, their number and their order, every response's log-probs are those
// it has behind its prompt alone. Laws for every family, over random rows; windows are shorter than most rows.
import fc from "fast-check"
import { expect } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { FAMILY_NAMES, randomDecoder } from "#test/reference/random-decoder.ts"
import { softwareTest } from "../lanes.ts"
import { scoresOf } from "./decoder-passes.ts"
import { randomRows, tinyFamilyConfig } from "./tiny.ts"

/** Nats a token. */
const TOLERANCE = 1e-5
const RUNS = 6

const lengths = fc.tuple(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 40 }),
)
const shapes = fc.array(lengths, { minLength: 1, maxLength: 5 })

for (const family of FAMILY_NAMES) {
  softwareTest(
    `${family}: laid-out rows' log-probs are those of their responses alone, in any order`,
    async (context) => {
      const config = tinyFamilyConfig(family)
      const model = createDecoder(context, { config, tensors: randomDecoder(config, 30, 1.5) }, { positionCount: 80 })
      const alone = async ({ rejectedIds: _, ...row }: TokenRow) =>
        scoresOf(context, model, [{ ...row, rejectedIds: new Uint32Array(0) }])
      await fc.assert(
        fc.asyncProperty(shapes, fc.integer({ min: 0, max: 2 ** 31 }), async (shape, seed) => {
          const rows = randomRows(config, shape, seed)
          const expected: (readonly [Float32Array, Float32Array])[] = []
          for (const row of rows) {
            expected.push([await alone(row), await alone({ ...row, chosenIds: row.rejectedIds })])
          }
          for (const order of [rows.map((_, i) => i), rows.map((_, i) => rows.length - 1 - i)]) {
            const together = await scoresOf(
              context,
              model,
              order.map((i) => rows[i]!),
            )
            const wanted = order.flatMap((i) => expected[i]!.flatMap((values) => [...values]))
            expect(together.length).toBe(wanted.length)
            const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - together[i]!)), 0)
            expect(worst).toBeLessThan(TOLERANCE)
          }
        }),
        { numRuns: RUNS, seed: 20_261_125 },
      )
      model.release()
    },
  )
}
