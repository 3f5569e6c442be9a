// The losses against hand-worked golden values, finite differences, and the invariants between methods.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { initialGapStatistics, normaliseStep } from "#shared/methods/gap-statistics.ts"
import { checkBeta, needsReference, UnusualBeta } from "#shared/methods/methods.ts"
import { gapOf, type PairLogProbs, ReferenceMissing } from "#shared/methods/pair-log-probs.ts"
import { sftLoss } from "#shared/methods/sft.ts"
import { type StepOptions, stepLoss } from "#shared/methods/step-loss.ts"
import { goldenOptions, goldenPairs, PRINTED } from "./golden.ts"

function expectClose(actual: ArrayLike<number>, expected: readonly number[], tolerance = PRINTED) {
  expect(actual.length).toBe(expected.length)
  expected.forEach((value, i) => {
    expect(Math.abs(actual[i]! - value), `element ${i}: ${actual[i]} against ${value}`).toBeLessThan(tolerance)
  })
}

const goldenGaps = () => goldenPairs.map((pair) => gapOf(pair)!)

describe("golden values of the specification", () => {
  test("the gap is the difference of mean log-ratios", () => {
    expectClose(goldenGaps(), [0.07, -0.07, 0.1, -0.01], 1e-12)
  })

  test("adaptive statistics give the printed z, losses, derivatives and mean", () => {
    const { normalised } = normaliseStep(initialGapStatistics, goldenGaps(), { mode: "adaptive" })
    expectClose(normalised, [0.615363, -1.198338, 1.004013, -0.421038])
    const step = stepLoss(goldenPairs, initialGapStatistics, goldenOptions)
    const column = (name: "loss" | "margin") => step.pairs.map((pair) => pair[name])
    expectClose(column("loss"), [1.748817, 1.425712, 1.602015, 1.632051])
    // dL/dℓθ of the specification is by the mean log-prob: |y| times the derivative by each of the ten tokens.
    expectClose(
      step.pairs.map(({ chosen }) => 10 * chosen.perToken),
      [-2.065051, -1.899157, -1.996274, -2.011179],
    )
    expectClose(column("margin"), [0.723073, 0.360332, 0.800803, 0.515792])
    expectClose([step.loss], [1.60214851], 5.1e-9)
  })

  test("label smoothing of .1 gives the printed mean", () => {
    const step = stepLoss(goldenPairs, initialGapStatistics, { ...goldenOptions, labelSmoothing: 0.1 })
    expectClose([step.loss], [1.46464851], 5.1e-9)
  })

  test("official statistics reproduce the authors' uncorrected first step", () => {
    const { normalised } = normaliseStep(initialGapStatistics, goldenGaps(), { mode: "official" })
    expectClose(normalised, [8.777016, -9.359991, 12.663518, -1.586988])
    const step = stepLoss(goldenPairs, initialGapStatistics, { ...goldenOptions, statistics: "official" })
    expectClose(
      step.pairs.map(({ loss }) => loss),
      [5.64206, 0.05202, 7.2075, 1.192945],
    )
    expectClose([step.loss], [3.523631])
  })

  test("α = 0 gives SimPO's printed losses", () => {
    const step = stepLoss(goldenPairs, initialGapStatistics, { ...goldenOptions, alpha: 0 })
    expectClose(
      step.pairs.map(({ loss }) => loss),
      [1.501929, 1.910224, 1.223445, 1.804745],
    )
    expectClose([step.loss], [1.61008561], 5.1e-9)
  })

  test("the logged reward is β[(1−α)ℓθ + αℓref]", () => {
    const [first] = stepLoss(goldenPairs, initialGapStatistics, goldenOptions).pairs
    expectClose(
      [first!.rewardChosen!, first!.rewardRejected!],
      [2.5 * (-0.8 * 0.8 - 0.2 * 0.85), 2.5 * (-0.8 * 0.9 - 0.2 * 0.88)],
      1e-12,
    )
  })
})

const response = fc.record({
  sum: fc.double({ min: -200, max: -0.01, noNaN: true }),
  count: fc.integer({ min: 1, max: 80 }),
})
const pairs = fc.array(
  fc.record({
    policyChosen: response,
    policyRejected: response,
    referenceChosen: response,
    referenceRejected: response,
  }),
  { minLength: 1, maxLength: 6 },
)
const options = fc.record({
  method: fc.constantFrom("alpha-dpo" as const, "simpo" as const, "dpo" as const),
  beta: fc.double({ min: 0.01, max: 10, noNaN: true }),
  gammaBetaRatio: fc.double({ min: 0, max: 2, noNaN: true }),
  alpha: fc.double({ min: 0.01, max: 1, noNaN: true }),
  labelSmoothing: fc.double({ min: 0, max: 0.4, noNaN: true }),
  statistics: fc.constant("adaptive" as const),
})

describe("invariants", () => {
  test("α = 0 equals SimPO bit for bit, and never reads the reference", () => {
    fc.assert(
      fc.property(pairs, options, (all, base) => {
        const blind = all.map(({ policyChosen, policyRejected }) => ({ policyChosen, policyRejected }))
        const alphaDpo = stepLoss(blind, initialGapStatistics, { ...base, method: "alpha-dpo", alpha: 0 })
        const simpo = stepLoss(all, initialGapStatistics, { ...base, method: "simpo" })
        expect(alphaDpo).toEqual(simpo)
      }),
    )
  })

  test("DPO with policy = reference gives ln 2 exactly", () => {
    fc.assert(
      fc.property(pairs, options, (all, base) => {
        const same = all.map((pair) => ({
          ...pair,
          referenceChosen: pair.policyChosen,
          referenceRejected: pair.policyRejected,
        }))
        const step = stepLoss(same, initialGapStatistics, { ...base, method: "dpo" })
        for (const { loss } of step.pairs) expect(Math.abs(loss - Math.LN2)).toBeLessThan(2 ** -52)
      }),
    )
  })

  test("α-DPO with policy = reference has z = 0 and stays finite", () => {
    fc.assert(
      fc.property(pairs, options, (all, base) => {
        const same = all.map((pair) => ({
          ...pair,
          referenceChosen: pair.policyChosen,
          referenceRejected: pair.policyRejected,
        }))
        const step = stepLoss(same, initialGapStatistics, { ...base, method: "alpha-dpo" })
        const simpo = stepLoss(same, initialGapStatistics, { ...base, method: "simpo" })
        expect(step.loss).toBe(simpo.loss)
      }),
    )
  })

  test("swapping chosen and rejected flips the sign of what the loss is a function of", () => {
    fc.assert(
      fc.property(pairs, options, (all, base) => {
        const plain = { ...base, gammaBetaRatio: 0, labelSmoothing: 0 }
        for (const method of ["simpo", "dpo"] as const) {
          const swapped = all.map((pair) => ({
            policyChosen: pair.policyRejected,
            policyRejected: pair.policyChosen,
            referenceChosen: pair.referenceRejected,
            referenceRejected: pair.referenceChosen,
          }))
          const before = stepLoss(all, initialGapStatistics, { ...plain, method }).pairs
          const after = stepLoss(swapped, initialGapStatistics, { ...plain, method }).pairs
          // σ(−u) + σ(u) = 1, and −log σ(−u) = u − log σ(u).
          before.forEach((pair, i) => {
            const { count } = method === "dpo" ? { count: 1 } : all[i]!.policyChosen
            const slope = count * pair.chosen.perToken
            const swappedCount = method === "dpo" ? 1 : all[i]!.policyRejected.count
            expect(slope + swappedCount * after[i]!.chosen.perToken).toBeCloseTo(-plain.beta, 10)
            const logit = pair.rewardChosen! - pair.rewardRejected!
            expect(after[i]!.loss - pair.loss).toBeCloseTo(logit, 8)
          })
        }
      }),
    )
  })

  test("chosen and rejected get opposite derivatives, and the token weights are the derivative by each token's log-prob", () => {
    fc.assert(
      fc.property(pairs, options, (all, base) => {
        const step = stepLoss(all, initialGapStatistics, base)
        step.pairs.forEach((pair, i) => {
          const { policyChosen, policyRejected } = all[i]!
          const counts = base.method === "dpo" ? [1, 1] : [policyChosen.count, policyRejected.count]
          const [dChosen, dRejected] = [counts[0]! * pair.chosen.perToken, counts[1]! * pair.rejected.perToken]
          expect(Math.abs(dChosen + dRejected)).toBeLessThanOrEqual(2 ** -50 * Math.abs(dChosen) + 1e-320)
          expect(step.chosen[i]!.perToken).toBeCloseTo(pair.chosen.perToken / all.length, 12)
        })
      }),
    )
  })

  test("derivatives agree with central differences of the loss, the margin held fixed", () => {
    fc.assert(
      fc.property(response, response, options, (chosen, rejected, base) => {
        // A single pair has z = 0, so that the margin does not move with the policy.
        const reference = { referenceChosen: { sum: -10, count: 10 }, referenceRejected: { sum: -12, count: 10 } }
        const width = 1e-5
        const at = (shift: number) => {
          const pair: PairLogProbs = {
            policyChosen: { ...chosen, sum: chosen.sum + shift },
            policyRejected: rejected,
            ...reference,
          }
          return stepLoss([pair], initialGapStatistics, base)
        }
        const slope = (at(width).loss - at(-width).loss) / (2 * width)
        expect(Math.abs(slope - at(0).chosen[0]!.perToken)).toBeLessThan(1e-5 * Math.max(1, base.beta))
      }),
    )
  })

  test("weights of pairs form a weighted mean: a pair of weight 2 counts like two", () => {
    const [first, second] = goldenPairs
    const simpo: StepOptions = { ...goldenOptions, method: "simpo" }
    const weighted = stepLoss([first!, second!], initialGapStatistics, simpo, [2, 1])
    const repeated = stepLoss([first!, first!, second!], initialGapStatistics, simpo)
    expect(weighted.loss).toBeCloseTo(repeated.loss, 14)
    expect(weighted.chosen[0]!.perToken).toBeCloseTo(2 * repeated.chosen[0]!.perToken, 14)
  })
})

describe("refusals", () => {
  test("a β of the other reduction is refused by name", () => {
    expect(() => checkBeta("alpha-dpo", 0.1)).toThrow(UnusualBeta)
    expect(() => checkBeta("dpo", 2.5)).toThrow(/reduces log-probs by sum and wants about 0.01 to 0.1/)
    expect(() => checkBeta("simpo", 10)).not.toThrow()
    expect(() => checkBeta("dpo", 0.05)).not.toThrow()
  })

  test("methods that read a reference refuse pairs without one", () => {
    const blind = goldenPairs.map(({ policyChosen, policyRejected }) => ({ policyChosen, policyRejected }))
    expect(() => stepLoss(blind, initialGapStatistics, goldenOptions)).toThrow(ReferenceMissing)
    expect(() => stepLoss(blind, initialGapStatistics, { ...goldenOptions, method: "dpo" })).toThrow(ReferenceMissing)
    expect(needsReference({ method: "alpha-dpo", alpha: 0 })).toBe(false)
    expect(needsReference({ method: "alpha-dpo", alpha: 0.1 })).toBe(true)
  })
})

test("SFT is the mean negative log-likelihood over tokens, not over rows", () => {
  const { loss, tokenWeights } = sftLoss([
    { sum: -2, count: 1 },
    { sum: -4, count: 3 },
  ])
  expect(loss).toBe(1.5)
  expect([...tokenWeights]).toEqual([-0.25, -0.25])
})
