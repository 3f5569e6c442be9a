// What is drawn follows the distribution that its options define (by a chi-squared test, which notices a temperature that is off by a
// quarter), what is impossible is never drawn, and one seed and label give one sequence.
import fc from "fast-check"
import { expect, test } from "vitest"
import { BrokenLogits } from "#gpu-runner/generation/errors.ts"
import {
  checkSampling,
  likeliestTokens,
  logSumExp,
  pickToken,
  type SamplingOptions,
} from "#gpu-runner/generation/sampling.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { chiSquared, chiSquaredLimit, sampledProbabilities } from "#test/reference/sampling.ts"

const LOGITS = Float32Array.from([1.5, -0.5, 0.25, 2, 2, -3, 0, 1, -1, 0.5, -2, 1.25])
const PRESENT = new Set([3, 1])
const DRAWS = 20_000

function counted(options: SamplingOptions, logits = LOGITS): Uint32Array {
  const counts = new Uint32Array(logits.length)
  const random = new SeededRandom(11, "draws")
  for (let draw = 0; draw < DRAWS; draw++) {
    counts[pickToken(logits, options, random, { present: PRESENT, position: 0 }).id]! += 1
  }
  return counts
}

const OPTIONS: readonly SamplingOptions[] = [
  { temperature: 1 },
  { temperature: 0.6 },
  { temperature: 1.7, repetitionPenalty: 1.5 },
  { temperature: 1, topK: 4 },
  { temperature: 1, topP: 0.8 },
  { temperature: 1.2, minP: 0.2 },
  { temperature: 0.9, topK: 8, topP: 0.9, minP: 0.1, repetitionPenalty: 1.2 },
]

for (const options of OPTIONS) {
  test(`${DRAWS} draws follow their distribution: ${JSON.stringify(options)}`, () => {
    const counts = counted(options)
    const probabilities = sampledProbabilities(LOGITS, options, PRESENT)
    const freedom = probabilities.filter((probability) => probability > 0).length - 1
    expect(chiSquared(counts, probabilities)).toBeLessThan(chiSquaredLimit(freedom))
    const warmer = sampledProbabilities(LOGITS, { ...options, temperature: 1.25 * options.temperature }, PRESENT)
    expect(chiSquared(counts, warmer), "of a distribution a quarter warmer").toBeGreaterThan(chiSquaredLimit(freedom))
  })
}

const logitsArbitrary = fc
  .array(fc.oneof(fc.integer({ min: -4, max: 4 }), fc.double({ min: -8, max: 8, noNaN: true })), {
    minLength: 1,
    maxLength: 40,
  })
  .map((values) => Float32Array.from(values))
const optionsArbitrary = fc.record({
  temperature: fc.double({ min: 0.1, max: 4, noNaN: true }),
  topK: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
  topP: fc.option(fc.double({ min: 0.01, max: 1, noNaN: true }), { nil: undefined }),
  minP: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  repetitionPenalty: fc.option(fc.double({ min: 0.5, max: 2, noNaN: true }), { nil: undefined }),
})

test("nothing is drawn that its options leave out, and the log-prob is the model's own", () => {
  fc.assert(
    fc.property(logitsArbitrary, optionsArbitrary, fc.nat(), (logits, options, seed) => {
      const present = new Set([0])
      const { id, logProb } = pickToken(logits, options, new SeededRandom(seed, ""), { present, position: 0 })
      // What lies within rounding of a bound may be on either side of it.
      const { topP = 1, minP = 0 } = options
      const wider = { ...options, topP: topP + 1e-9, minP: minP - 1e-9 }
      expect(sampledProbabilities(logits, wider, present)[id]).toBeGreaterThan(0)
      expect(logProb).toBeCloseTo(logits[id]! - logSumExp(logits), 12)
    }),
  )
})

test("temperature 0 takes the most likely token, of equal ones the lowest id, and draws nothing", () => {
  const pick = (logits: readonly number[], more: Partial<SamplingOptions> = {}, present = new Set<number>()) =>
    pickToken(Float32Array.from(logits), { temperature: 0, ...more }, new SeededRandom(1, ""), { present, position: 0 })
  expect(pick([0, 3, 3, 1]).id).toBe(1)
  expect(pick([-5]).id).toBe(0)
  expect(pick([0, 3, 2.9, 1], { repetitionPenalty: 1.1 }, new Set([1])).id).toBe(2)
  expect(pick([-1, -1.05], { repetitionPenalty: 1.1 }, new Set([0])).id).toBe(1)
  expect(pick([0, 0]).logProb).toBeCloseTo(-Math.LN2, 12)
})

test("the likeliest tokens are told with the model's own log-probs, the likeliest first, of equal ones the lower ids", () => {
  const told = likeliestTokens(LOGITS, 5)
  expect(told.map(({ id }) => id)).toEqual([3, 4, 0, 11, 7])
  for (const { id, logProb } of told) expect(logProb).toBeCloseTo(LOGITS[id]! - logSumExp(LOGITS), 12)
  expect(likeliestTokens(LOGITS, 0)).toEqual([])
  const all = likeliestTokens(LOGITS, 100)
  expect(all.reduce((sum, { logProb }) => sum + Math.exp(logProb), 0)).toBeCloseTo(1, 12)
})

test("one seed and label give the same draws, another label others", () => {
  const draws = (label: string) => {
    const random = new SeededRandom(5, label)
    return Array.from(
      { length: 40 },
      () => pickToken(LOGITS, { temperature: 1 }, random, { present: PRESENT, position: 0 }).id,
    )
  }
  expect(draws("0:a")).toEqual(draws("0:a"))
  expect(draws("0:a")).not.toEqual(draws("1:a"))
})

test("logits that are no distribution are refused, with the position", () => {
  for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const logits = Float32Array.from([0, broken, 1])
    const pick = () =>
      pickToken(logits, { temperature: 0 }, new SeededRandom(1, ""), { present: new Set(), position: 17 })
    expect(pick).toThrow(BrokenLogits)
    expect(pick).toThrow(/position 17 are not finite/)
  }
})

test.each([
  [{ temperature: -1 }, "temperature is -1"],
  [{ temperature: Number.NaN }, "temperature is NaN"],
  [{ temperature: 1, topK: 0 }, "top-k is 0"],
  [{ temperature: 1, topK: 1.5 }, "top-k is 1.5"],
  [{ temperature: 1, topP: 0 }, "top-p is 0"],
  [{ temperature: 1, topP: 1.01 }, "top-p is 1.01"],
  [{ temperature: 1, minP: -0.1 }, "min-p is -0.1"],
  [{ temperature: 1, repetitionPenalty: 0 }, "repetition-penalty is 0"],
])("%j is refused by name", (options, fault) => {
  expect(() => checkSampling(options)).toThrow(fault)
})
