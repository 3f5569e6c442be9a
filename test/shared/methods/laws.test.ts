// Laws that hold for arbitrary pairs: derivatives by finite differences, order and weights, symmetries, and what is missing.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type MethodOptions, type PreferenceMethod, preferenceMethods } from "#shared/methods/methods.ts"
import { type PairLogProbs, ReferenceMissing, ScoresMissing, tokenGradient } from "#shared/methods/pair-log-probs.ts"
import {
  arbitraryOptions,
  arbitraryPair,
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

describe("what the chosen response gains the rejected one loses", () => {
  test.each(["dpo", "cpo", "r-dpo", "tdpo"] as const)("%s, by sums: opposite derivatives at every token", (method) => {
    fc.assert(
      fc.property(arbitraryPair, arbitraryOptions, (pair, drawn) => {
        const { chosen, rejected } = pairLoss(method, pair, optionsOf(method, drawn))
        expect(chosen.perToken + rejected.perToken).toBe(0)
      }),
    )
  })

  test.each(["alpha-dpo", "simpo", "ipo"] as const)(
    "%s, by means: derivatives that add up to 0 over all tokens",
    (method) => {
      fc.assert(
        fc.property(arbitraryPair, arbitraryOptions, (pair, drawn) => {
          const options = { ...optionsOf(method, drawn), ipoReduction: "mean" as const }
          const { chosen, rejected } = pairLoss(method, pair, options, constant(method))
          const gained = pair.policyChosen.count * chosen.perToken
          const lost = pair.policyRejected.count * rejected.perToken
          expect(Math.abs(gained + lost)).toBeLessThanOrEqual(2 ** -50 * Math.abs(gained))
        }),
      )
    },
  )

  test("ld-dpo: shared tokens opposite, tails α times as much", () => {
    fc.assert(
      fc.property(arbitraryPair, arbitraryOptions, (pair, drawn) => {
        const options = optionsOf("ld-dpo", drawn)
        const { chosen, rejected } = pairLoss("ld-dpo", pair, options)
        const shared = Math.min(pair.policyChosen.count, pair.policyRejected.count)
        expect(chosen.perToken + rejected.perToken).toBe(0)
        for (const [gradient, { count }] of [
          [chosen, pair.policyChosen],
          [rejected, pair.policyRejected],
        ] as const) {
          expect(gradient.tailStart).toBe(count > shared ? shared : undefined)
          if (count > shared) expect(tokenGradient(gradient, shared)).toBe(options.ldAlpha * gradient.perToken)
        }
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
