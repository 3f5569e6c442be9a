// One method as a case of another, to the last bit, and the closed forms of degenerate inputs.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { logSigmoid } from "#shared/methods/log-sigmoid.ts"
import type { MethodOptions, PreferenceMethod } from "#shared/methods/methods.ts"
import { type PairLogProbs, tokenGradient } from "#shared/methods/pair-log-probs.ts"
import {
  arbitraryOptions,
  arbitraryPair,
  atReference,
  handPair,
  optionsOf,
  pairLoss,
  response,
  step,
} from "./sample-pairs.ts"

describe("reductions of one method to another, to the last bit", () => {
  const same = (
    left: PreferenceMethod,
    right: PreferenceMethod,
    change: Partial<MethodOptions>,
    of = (pair: PairLogProbs) => pair,
  ) =>
    fc.assert(
      fc.property(fc.array(arbitraryPair.map(of), { minLength: 1, maxLength: 5 }), arbitraryOptions, (pairs, drawn) => {
        const { labelSmoothing = drawn.labelSmoothing } = change
        const options = { ...optionsOf(right, { ...drawn, labelSmoothing, dpoLoss: "sigmoid" }), sftWeight: 0.25 }
        const expected = step(pairs, options)
        const actual = step(pairs, { ...options, ...change, method: left })
        expect(actual.loss).toBe(expected.loss)
        actual.chosen.forEach((gradient, i) => {
          const last = pairs[i]!.policyChosen.count - 1
          for (const token of [0, last]) expect(tokenGradient(gradient, token)).toBe(expected.chosen[i]!.perToken)
          expect(actual.rejected[i]!.perToken).toBe(expected.rejected[i]!.perToken)
        })
      }),
    )

  test("R-DPO with α = 0 is DPO", () => same("r-dpo", "dpo", { lengthPenalty: 0 }))
  test("LD-DPO with α = 1 is DPO", () => same("ld-dpo", "dpo", { ldAlpha: 1 }))
  test("AlphaPO with a = 0 is SimPO", () => same("alphapo", "simpo", { alphaPoAlpha: 0 }))
  test("α-DPO with α = 0 is SimPO", () => same("alpha-dpo", "simpo", { alpha: 0 }))
  test("α-DPO with ρ = 0 is SimPO, whatever α would be", () => same("alpha-dpo", "simpo", { gapShare: 0, alpha: 5 }))
  test("TDPO2 with α = 0 is DPO", () => same("tdpo", "dpo", { tdpoVariant: 2, tdpoAlpha: 0 }))
  test("robust DPO with ε = 0 is DPO", () => same("dpo", "dpo", { dpoLoss: "robust", labelSmoothing: 0 }))
  test("cDPO with ε = 0 is −log σ(u)", () => {
    fc.assert(
      fc.property(arbitraryPair, (pair) => {
        const { loss, rewardChosen, rewardRejected } = pairLoss("dpo", pair)
        expect(loss).toBe(-logSigmoid(rewardChosen! - rewardRejected!))
      }),
    )
  })

  const withoutDivergence = (pair: PairLogProbs): PairLogProbs => ({
    ...pair,
    policyChosen: { ...pair.policyChosen, divergence: 0 },
    policyRejected: { ...pair.policyRejected, divergence: 0 },
  })
  test("TDPO without divergences is DPO, in both variants", () => {
    same("tdpo", "dpo", { tdpoVariant: 1 }, withoutDivergence)
    same("tdpo", "dpo", { tdpoVariant: 2, tdpoAlpha: 0.5 }, withoutDivergence)
  })

  const uniformReference = (pair: PairLogProbs): PairLogProbs => ({
    ...pair,
    referenceChosen: { sum: 0, count: pair.policyChosen.count },
    referenceRejected: { sum: 0, count: pair.policyRejected.count },
  })
  test("CPO is DPO against a uniform reference, plus the SFT term", () => same("cpo", "dpo", {}, uniformReference))

  test("responses of one length make R-DPO and LD-DPO DPO", () => {
    const even = (pair: PairLogProbs): PairLogProbs => ({
      ...pair,
      policyRejected: { ...pair.policyChosen, sum: pair.policyRejected.sum },
      referenceRejected: { ...pair.referenceChosen!, sum: pair.referenceRejected!.sum },
    })
    same("r-dpo", "dpo", { lengthPenalty: 0.3 }, even)
    same("ld-dpo", "dpo", { ldAlpha: 0.2 }, even)
  })

  test("one-token responses make IPO's reductions one", () => {
    const one = { policyChosen: response([-1]), policyRejected: response([-3]) }
    const pair = { ...one, referenceChosen: response([-2]), referenceRejected: response([-1.5]) }
    expect(pairLoss("ipo", pair, { ipoReduction: "sum" })).toEqual(pairLoss("ipo", pair, { ipoReduction: "mean" }))
  })
})

test("AlphaPO tends to SimPO as a goes to 0, from both sides", () => {
  const options = { beta: 2.5, gammaBetaRatio: 0.6 }
  const simpo = pairLoss("simpo", handPair, options).loss
  for (const a of [1e-3, 1e-6, 1e-9, -1e-9, -1e-6, -1e-3]) {
    const { loss } = pairLoss("alphapo", handPair, { ...options, alphaPoAlpha: a })
    expect(Math.abs(loss - simpo)).toBeLessThan(2 * Math.abs(a) + 1e-14)
  }
})

describe("policy = reference", () => {
  test.each(["dpo", "ld-dpo", "tdpo"] as const)("%s gives ln 2 exactly", (method) => {
    fc.assert(
      fc.property(arbitraryPair, (pair) => {
        expect(pairLoss(method, atReference(pair)).loss).toBe(Math.LN2)
      }),
    )
  })

  test("robust DPO gives ln 2 whatever ε, cDPO too, and the hinge 1", () => {
    const pair = atReference(handPair)
    for (const labelSmoothing of [0, 0.1, 0.4]) {
      expect(pairLoss("dpo", pair, { labelSmoothing, dpoLoss: "robust" }).loss).toBeCloseTo(Math.LN2, 14)
      expect(pairLoss("dpo", pair, { labelSmoothing }).loss).toBeCloseTo(Math.LN2, 14)
    }
    expect(pairLoss("dpo", pair, { dpoLoss: "hinge" }).loss).toBe(1)
  })

  test("KTO gives λ/2 exactly, on both sides", () => {
    fc.assert(
      fc.property(fc.array(arbitraryPair, { minLength: 1, maxLength: 4 }), (pairs) => {
        const { pairs: losses, kl } = step(pairs.map(atReference), {
          method: "kto",
          desirableWeight: 3,
          undesirableWeight: 5,
        })
        expect(kl).toBe(0)
        losses.forEach(({ loss }, i) => {
          expect(loss).toBe(pairs[i]!.label ? 1.5 : 2.5)
        })
      }),
    )
  })

  test("IPO gives the squared target, 1/(2τ)²", () => {
    expect(pairLoss("ipo", atReference(handPair)).loss).toBe(25)
  })

  test("R-DPO still pays for length", () => {
    expect(pairLoss("r-dpo", atReference(handPair)).loss).toBeCloseTo(Math.log1p(Math.exp(-0.05)), 14)
  })
})

describe("identical responses", () => {
  const twins = (pair: PairLogProbs): PairLogProbs => ({
    ...pair,
    policyRejected: pair.policyChosen,
    referenceRejected: pair.referenceChosen,
  })

  test.each(["dpo", "cpo", "r-dpo", "ld-dpo", "tdpo"] as const)("%s has ln 2 and derivatives that cancel", (method) => {
    fc.assert(
      fc.property(arbitraryPair, (pair) => {
        const { loss, chosen, rejected } = pairLoss(method, twins(pair))
        expect(loss).toBe(Math.LN2)
        expect(chosen.perToken + rejected.perToken).toBe(0)
      }),
    )
  })

  test("ORPO has λ ln 2", () => {
    expect(pairLoss("orpo", twins(handPair)).loss).toBeCloseTo(0.1 * Math.LN2, 15)
  })
})
