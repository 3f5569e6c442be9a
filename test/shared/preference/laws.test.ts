// Laws that hold for arbitrary pairs: derivatives by finite differences, reductions of one method to another, symmetries, and what
// happens at the ends.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { logSigmoid } from "#shared/preference/log-sigmoid.ts"
import { type MethodOptions, type PreferenceMethod, preferenceMethods } from "#shared/preference/methods.ts"
import { type PairLogProbs, ReferenceMissing, ScoresMissing, tokenGradient } from "#shared/preference/pair-log-probs.ts"
import {
  arbitraryOptions,
  arbitraryPair,
  atReference,
  handPair,
  nudged,
  optionsOf,
  pairLoss,
  response,
  step,
  swapped,
} from "./sample-pairs.ts"

const pairwise = preferenceMethods.filter((method) => method !== "kto")
const constant = (method: PreferenceMethod) => (method === "kto" ? 0.3 : method === "alpha-dpo" ? -0.7 : 0)

/** Central difference of width 2h, and the error that f64 and the third derivative leave in it. */
const WIDTH = 1e-4
function slopeOf(loss: (shift: number) => number): number {
  return (loss(WIDTH) - loss(-WIDTH)) / (2 * WIDTH)
}

describe.each(preferenceMethods)("%s", (method) => {
  const lossOf = (pair: PairLogProbs, options: MethodOptions) => pairLoss(method, pair, options, constant(method))

  test("derivatives by every token's log-prob agree with central differences", () => {
    fc.assert(
      fc.property(arbitraryPair, arbitraryOptions, fc.nat(), (pair, drawn, pick) => {
        const options = optionsOf(method, drawn)
        const plain = lossOf(pair, options)
        // A hinge has no derivative at its kink.
        fc.pre(method !== "dpo" || options.dpoLoss !== "hinge" || Math.abs(plain.loss) > WIDTH)
        const sides = method === "kto" ? (["policyChosen"] as const) : (["policyChosen", "policyRejected"] as const)
        for (const side of sides) {
          const index = pick % pair[side].count
          const slope = slopeOf((shift) => lossOf(nudged(pair, side, index, shift), options).loss)
          const gradient = side === "policyChosen" ? plain.chosen : plain.rejected
          const expected = tokenGradient(gradient, index)
          expect(Math.abs(slope - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)))
        }
      }),
    )
  })

  test("a loss of |u| up to 1e4 stays finite, and so do its derivatives", () => {
    for (const sum of [-1e5, -1e4, -1e-3, -1e-9, -0]) {
      const far = (value: number) => ({ sum: value, count: 1, logProbs: [value], meanCollision: -1, divergence: 1e3 })
      const isMeanOfPowers = method === "alphapo"
      // AlphaPO's reward is itself an exponential of ℓ: e^(.25·1e4) is no f64.
      const reach = isMeanOfPowers ? Math.max(sum, -1e3) : sum
      for (const pair of [
        {
          policyChosen: far(reach),
          policyRejected: far(-1),
          referenceChosen: far(-2),
          referenceRejected: far(-3),
          label: true,
        },
        {
          policyChosen: far(-1),
          policyRejected: far(reach),
          referenceChosen: far(-2),
          referenceRejected: far(-3),
          label: false,
        },
      ]) {
        const { loss, chosen, rejected } = pairLoss(method, pair)
        expect([loss, chosen.perToken, rejected.perToken].every(Number.isFinite), `sum ${sum}`).toBe(true)
      }
    }
  })

  test("the order of a step's pairs does not matter beyond rounding", () => {
    fc.assert(
      fc.property(fc.array(arbitraryPair, { minLength: 2, maxLength: 6 }), arbitraryOptions, (pairs, drawn) => {
        const options = optionsOf(method, drawn)
        const forward = step(pairs, options)
        const backward = step(pairs.toReversed(), options)
        expect(Math.abs(forward.loss - backward.loss)).toBeLessThan(1e-12 * Math.max(1, Math.abs(forward.loss)))
      }),
    )
  })

  test("weights are shares: doubling all of them changes nothing but rounding, and equal ones are no weights", () => {
    fc.assert(
      fc.property(fc.array(arbitraryPair, { minLength: 1, maxLength: 5 }), arbitraryOptions, (pairs, drawn) => {
        const options = { ...optionsOf(method, drawn), ...(method === "kto" ? {} : { sftWeight: 0.5 }) }
        const weights = pairs.map((_, index) => index + 1)
        const once = step(pairs, options, weights)
        const twice = step(
          pairs,
          options,
          weights.map((weight) => 2 * weight),
        )
        expect(twice.loss).toBeCloseTo(once.loss, 10)
        expect(twice.chosen[0]!.perToken).toBeCloseTo(once.chosen[0]!.perToken, 10)
        expect(
          step(
            pairs,
            options,
            weights.map(() => 3),
          ).loss,
        ).toBeCloseTo(step(pairs, options).loss, 10)
      }),
    )
  })
})

describe("the SFT term and WPO's weights, beside every pairwise method", () => {
  test.each(pairwise)("%s: derivatives of the whole step agree with central differences", (method) => {
    fc.assert(
      fc.property(arbitraryPair, arbitraryOptions, fc.nat(), (pair, drawn, pick) => {
        // One pair: its z is 0, so that nothing of the step moves with the policy but the loss.
        const options = { ...optionsOf(method, drawn), dpoLoss: "sigmoid" as const, sftWeight: 0.7 }
        const index = pick % pair.policyChosen.count
        const slope = slopeOf((shift) => step([nudged(pair, "policyChosen", index, shift)], options).loss)
        const expected = tokenGradient(step([pair], options).chosen[0]!, index)
        expect(Math.abs(slope - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)))
      }),
    )
  })

  test.each(pairwise)("%s: WPO multiplies the loss and every derivative by a constant", (method) => {
    fc.assert(
      fc.property(arbitraryPair, arbitraryOptions, (pair, drawn) => {
        const options = { ...optionsOf(method, drawn), sftWeight: 0 }
        const plain = step([pair], options)
        const weighted = step([pair], { ...options, useWeighting: true })
        const [weight] = weighted.pairWeights!
        expect(weighted.loss).toBe(weight! * plain.pairs[0]!.loss)
        expect(weighted.chosen[0]!.perToken).toBe(weight! * plain.chosen[0]!.perToken)
        expect(weighted.rejected[0]!.perDivergence ?? 0).toBe(weight! * (plain.rejected[0]!.perDivergence ?? 0))
      }),
    )
  })
})

test("TDPO's derivatives by the divergences agree with central differences where they are not stopped", () => {
  fc.assert(
    fc.property(arbitraryPair, arbitraryOptions, (pair, drawn) => {
      const options = optionsOf("tdpo", drawn)
      const { chosen, rejected } = pairLoss("tdpo", pair, options)
      const moved = (side: "policyChosen" | "policyRejected") => (shift: number) => {
        const { divergence, ...rest } = pair[side]
        return pairLoss("tdpo", { ...pair, [side]: { ...rest, divergence: divergence! + shift } }, options).loss
      }
      expect(rejected.perDivergence).toBeCloseTo(slopeOf(moved("policyRejected")), 7)
      if (options.tdpoVariant === 1) expect(chosen.perDivergence).toBeCloseTo(slopeOf(moved("policyChosen")), 7)
      else expect(chosen.perDivergence).toBe(0)
    }),
  )
})

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

describe("exchanging chosen and rejected", () => {
  test.each(["dpo", "cpo", "r-dpo", "ld-dpo", "orpo"] as const)("%s: −log σ(−u) − −log σ(u) = u", (method) => {
    fc.assert(
      fc.property(arbitraryPair, (pair) => {
        const scale = method === "orpo" ? 0.1 : 1
        const [before, after] = [pairLoss(method, pair), pairLoss(method, swapped(pair))]
        // dL/du of the two add up to −1, so that the derivatives by any one response differ by its slope in u alone.
        const u = (after.loss - before.loss) / scale
        expect(Math.exp(-before.loss / scale) + Math.exp(-after.loss / scale)).toBeCloseTo(1, 12)
        expect(Math.exp(-before.loss / scale)).toBeCloseTo(1 / (1 + Math.exp(-u)), 12)
      }),
    )
  })

  test("the hinge of u and of −u add up to 2 where neither is settled", () => {
    const options = { dpoLoss: "hinge" as const }
    expect(pairLoss("dpo", handPair, options).loss + pairLoss("dpo", swapped(handPair), options).loss).toBe(2)
  })
})

describe("what is missing is named", () => {
  const blind = { policyChosen: handPair.policyChosen, policyRejected: handPair.policyRejected, label: true }

  test.each(["dpo", "ipo", "r-dpo", "kto", "tdpo", "ld-dpo", "alpha-dpo"] as const)(
    "%s needs a reference",
    (method) => {
      expect(() => step([blind], { method })).toThrow(ReferenceMissing)
    },
  )

  test.each(["simpo", "cpo", "orpo", "alphapo"] as const)("%s does not read one", (method) => {
    expect(step([blind], { method }).loss).toBe(step([handPair], { method }).loss)
  })

  test("LD-DPO needs a longer reference response token by token, and a shorter one only as a sum", () => {
    const sums = ({ sum, count }: { sum: number; count: number }) => ({ sum, count })
    const shorter = { ...handPair, referenceRejected: sums(handPair.referenceRejected!) }
    expect(pairLoss("ld-dpo", shorter)).toEqual(pairLoss("ld-dpo", handPair))
    const longer = { ...handPair, referenceChosen: sums(handPair.referenceChosen!) }
    expect(() => pairLoss("ld-dpo", longer)).toThrow(ScoresMissing)
    expect(() => pairLoss("ld-dpo", longer)).toThrow(/score the data again with `yohaku score`/)
  })

  test("TDPO needs divergences, WPO collisions, KTO labels", () => {
    const bare = { ...handPair, policyChosen: response([-1]), policyRejected: response([-2]) }
    expect(() => pairLoss("tdpo", bare)).toThrow(/tdpo needs the divergence of every response/)
    expect(() => step([bare], { method: "dpo", useWeighting: true })).toThrow(/useWeighting needs log Σ p²/)
    expect(() => pairLoss("kto", handPair)).toThrow(/kto needs a label for every row/)
  })
})
