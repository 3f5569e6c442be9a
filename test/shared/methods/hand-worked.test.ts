// Every method on one pair that can be worked by hand: log-ratios .2 and −.2, means −1 and −1.5, lengths 3 and 2.
// The decimals were computed apart from this code, with forty digits.
import { describe, expect, test } from "vitest"
import { type MethodOptions, methodDefaults, preferenceDefinitionOf } from "#shared/methods/methods.ts"
import type { PairLogProbs } from "#shared/methods/pair-log-probs.ts"
import { areNegligible } from "#shared/methods/wpo.ts"
import { handPair, pairLoss, response, step } from "./sample-pairs.ts"

const DIGITS = 13

describe("DPO, β = .1: u = .1(.2 + .2) = .04", () => {
  test("−log σ(.04), derivative −β σ(−.04) by every token", () => {
    const { loss, chosen, rejected, rewardChosen, rewardRejected } = pairLoss("dpo", handPair)
    expect(loss).toBeCloseTo(0.673347167228034, DIGITS)
    expect(chosen.perToken).toBeCloseTo(-0.0490001333120035, DIGITS)
    expect(rejected.perToken).toBe(-chosen.perToken)
    expect([rewardChosen, rewardRejected]).toEqual([expect.closeTo(0.02, DIGITS), expect.closeTo(-0.02, DIGITS)])
  })

  test("cDPO with ε = .1 adds ε·u to the loss and ε·β to the derivative", () => {
    const { loss, chosen } = pairLoss("dpo", handPair, { labelSmoothing: 0.1 })
    expect(loss).toBeCloseTo(0.677347167228034, DIGITS)
    expect(chosen.perToken).toBeCloseTo(-0.0390001333120035, DIGITS)
  })

  test("robust with ε = .1 divides by 1 − 2ε", () => {
    const { loss, chosen } = pairLoss("dpo", handPair, { labelSmoothing: 0.1, dpoLoss: "robust" })
    expect(loss).toBeCloseTo(0.668347167228034, DIGITS)
    expect(chosen.perToken).toBeCloseTo(-0.0615001333120035, DIGITS)
  })

  test("the hinge is 1 − .04, and 0 with no derivative from u = 1 on", () => {
    const { loss, chosen } = pairLoss("dpo", handPair, { dpoLoss: "hinge" })
    expect([loss, chosen.perToken]).toEqual([expect.closeTo(0.96, DIGITS), -0.1])
    const settled = pairLoss("dpo", handPair, { dpoLoss: "hinge", beta: 25.1 })
    expect([settled.loss, settled.chosen.perToken]).toEqual([0, 0])
  })
})

describe("IPO, τ = .1: the target is 5", () => {
  test("by mean, h = .2/3 + .2/2 = 1/6", () => {
    const { loss, chosen, rejected, margin } = pairLoss("ipo", handPair)
    expect(loss).toBeCloseTo((1 / 6 - 5) ** 2, DIGITS)
    expect(loss).toBeCloseTo(23.3611111111111, 12)
    expect(chosen.perToken).toBeCloseTo(-3.22222222222222, DIGITS)
    expect(rejected.perToken).toBeCloseTo(4.83333333333333, DIGITS)
    expect(margin).toBe(5)
  })

  test("by sum, h = .4", () => {
    const { loss, chosen, rejected } = pairLoss("ipo", handPair, { ipoReduction: "sum" })
    expect(loss).toBeCloseTo(21.16, 12)
    expect(chosen.perToken).toBeCloseTo(-9.2, 12)
    expect(rejected.perToken).toBe(-chosen.perToken)
  })
})

describe("α-DPO by the gap's share, β = 2.5, γ/β = .6: the margin is .6 + clamp(ρ(M − m), ±1.2)", () => {
  test("a gap of .5 beyond the running mean moves it by half of that at ρ = ½: u = 2.5(.5 − .85) = −.875", () => {
    const { loss, margin, chosen } = pairLoss("alpha-dpo", handPair, { gapShare: 0.5 }, 0.5)
    expect(margin).toBeCloseTo(0.85, DIGITS)
    expect(loss).toBeCloseTo(Math.log1p(Math.exp(0.875)), DIGITS)
    expect(chosen.perToken).toBeCloseTo(-2.5 / (1 + Math.exp(-0.875)) / 3, DIGITS)
  })

  test("a negative share asks less of the pairs that are ahead, and more of those that lag", () => {
    const margins = [0.5, -0.5].map((ahead) => pairLoss("alpha-dpo", handPair, { gapShare: -1 }, ahead).margin)
    expect(margins).toEqual([expect.closeTo(0.1, DIGITS), expect.closeTo(1.1, DIGITS)])
  })

  test("the cap holds on both sides", () => {
    const margins = [9, -9].map((ahead) => pairLoss("alpha-dpo", handPair, { gapShare: 0.9 }, ahead).margin)
    expect(margins).toEqual([expect.closeTo(1.8, DIGITS), expect.closeTo(-0.6, DIGITS)])
    expect(pairLoss("alpha-dpo", handPair, { gapShare: 0.9, gapCap: 0.25 }, 9).margin).toBeCloseTo(0.85, DIGITS)
  })

  test("a step of pairs at M = .1 and .5 has m = .3, so that ρ = ½ moves their margins by ∓.1, and none by a deviation", () => {
    const at = (gap: number): PairLogProbs => ({
      ...{ policyChosen: response([-2 + gap]), policyRejected: response([-2]) },
      ...{ referenceChosen: response([-2]), referenceRejected: response([-2]) },
    })
    const taken = step([at(0.1), at(0.5)], { method: "alpha-dpo", gapShare: 0.5 })
    expect(taken.pairs.map(({ margin }) => margin)).toEqual([expect.closeTo(0.5, DIGITS), expect.closeTo(0.7, DIGITS)])
    const { metrics } = preferenceDefinitionOf("alpha-dpo")
    const logged = (options: Partial<MethodOptions>) =>
      metrics!({ losses: taken.pairs, normaliser: taken.normaliser, excludedGaps: 0 }, options)["margin/gap_share"]
    expect(logged({ gapShare: 0.5 })).toBe(0.5)
    // The deviation of .1 and .5 is √.08.
    expect(logged({ alpha: 0.2 })).toBeCloseTo(0.2 / Math.sqrt(0.08), DIGITS)
  })
})

test("SimPO, β = 2.5: u = 2.5(−1 + 1.5 − .6) = −.25, derivatives divided by the lengths", () => {
  const { loss, chosen, rejected } = pairLoss("simpo", handPair)
  expect(loss).toBeCloseTo(0.825939419878844, DIGITS)
  expect(chosen.perToken).toBeCloseTo(-0.468480417404832, DIGITS)
  expect(rejected.perToken).toBeCloseTo(0.702720626107248, DIGITS)
})

test("CPO: equal sums give ln 2, and the SFT term of weight 1 adds the mean NLL of the chosen response", () => {
  const { loss, chosen, rejected, negativeLogLikelihood } = step([handPair], { method: "cpo" })
  expect(negativeLogLikelihood).toBe(1)
  expect(loss).toBeCloseTo(Math.LN2 + 1, DIGITS)
  expect(chosen[0]!.perToken).toBeCloseTo(-0.05 - 1 / 3, DIGITS)
  expect(rejected[0]!.perToken).toBeCloseTo(0.05, DIGITS)
})

test("ORPO, λ = .1: log odds −1 − log(1 − e⁻¹) against −1.5 − log(1 − e^−1.5), and the NLL", () => {
  const { loss, chosen, rejected } = pairLoss("orpo", handPair)
  expect(loss).toBeCloseTo(0.0401135488112005, DIGITS)
  expect(chosen.perToken).toBeCloseTo(-0.0174249810326686, DIGITS)
  expect(rejected.perToken).toBeCloseTo(0.021267440534283, DIGITS)
  expect(step([handPair], { method: "orpo" }).loss).toBeCloseTo(1.0401135488112, DIGITS)
})

test("R-DPO, α = .05: one more token on the chosen side adds .05 to u and to the reward", () => {
  const { loss, chosen, rewardChosen, rewardRejected } = pairLoss("r-dpo", handPair)
  expect(loss).toBeCloseTo(0.64915933902561, DIGITS)
  expect(chosen.perToken).toBeCloseTo(-0.04775151752082, DIGITS)
  expect(rewardChosen! - rewardRejected!).toBeCloseTo(0.09, DIGITS)
})

test("AlphaPO, a = .25, β = 2.5, γ/β = .04: r = (1 − e^(.25|ℓ|))/.25", () => {
  const { loss, chosen, rejected, rewardChosen, rewardRejected } = pairLoss("alphapo", handPair)
  expect(rewardChosen).toBeCloseTo(2.5 * -1.13610166675097, DIGITS)
  expect(rewardRejected).toBeCloseTo(2.5 * -1.81996565847281, 12)
  expect(loss).toBeCloseTo(0.182284549073265, DIGITS)
  expect(chosen.perToken).toBeCloseTo(-0.17830386361408, DIGITS)
  expect(rejected.perToken).toBeCloseTo(0.3030671208452, DIGITS)
})

describe("TDPO, divergences .3 and .5", () => {
  test("variant 1: u = .1(.4 − .2), both divergences get a derivative", () => {
    const { loss, chosen, rejected, rewardChosen } = pairLoss("tdpo", handPair, { tdpoVariant: 1 })
    expect(loss).toBeCloseTo(0.683197179726634, DIGITS)
    expect(chosen.perToken).toBeCloseTo(-0.049500016666, DIGITS)
    expect([chosen.perDivergence, rejected.perDivergence]).toEqual([chosen.perToken, -chosen.perToken])
    expect(rewardChosen).toBeCloseTo(0.1 * (0.2 + 0.3), DIGITS)
  })

  test("variant 2, α = .5: u = .1(.4 − .5·.2), the chosen divergence is a constant", () => {
    const { loss, chosen, rejected } = pairLoss("tdpo", handPair)
    expect(loss).toBeCloseTo(0.678259676341448, DIGITS)
    expect(chosen).toEqual({ perToken: expect.closeTo(-0.049250056244938, DIGITS), perDivergence: 0 })
    expect(rejected.perDivergence).toBeCloseTo(0.024625028122469, DIGITS)
  })
})

test("LD-DPO, α = .5: of the third token half counts, under policy and reference, u = .1(.25 + .2)", () => {
  const { loss, chosen, rejected } = pairLoss("ld-dpo", handPair)
  expect(loss).toBeCloseTo(0.670900284205406, DIGITS)
  expect(chosen).toEqual({
    perToken: expect.closeTo(-0.0488751898053145, DIGITS),
    tailStart: 2,
    tailPerToken: expect.closeTo(-0.0244375949026573, DIGITS),
  })
  expect(rejected).toEqual({ perToken: -chosen.perToken })
})

test("WPO: e^(−1 + 1.2)·e^(−1.5 + 1.4) = e^.1 weighs the loss and its derivatives, and no SFT term", () => {
  const plain = step([handPair], { method: "dpo", sftWeight: 0.3 })
  const weighted = step([handPair], { method: "dpo", sftWeight: 0.3, useWeighting: true })
  expect(weighted.pairWeights).toEqual([expect.closeTo(1.10517091807565, DIGITS)])
  expect(weighted.loss - 0.3).toBeCloseTo(Math.exp(0.1) * (plain.loss - 0.3), DIGITS)
  expect(weighted.rejected[0]!.perToken).toBeCloseTo(Math.exp(0.1) * plain.rejected[0]!.perToken, DIGITS)
  expect(weighted.chosen[0]!.perToken + 0.1).toBeCloseTo(Math.exp(0.1) * (plain.chosen[0]!.perToken + 0.1), DIGITS)
})

test("WPO as its authors' code has it takes no weight above 1, and the same below", () => {
  const options = { method: "dpo", useWeighting: true, weightingForm: "authors" } as const
  expect(step([handPair], options).pairWeights).toEqual([1])
  expect(step([handPair], options).loss).toBe(step([handPair], { method: "dpo" }).loss)
  const unlikely = { ...handPair, policyRejected: { ...handPair.policyRejected, meanCollision: -1.1 } }
  expect(step([unlikely], options).pairWeights).toEqual([expect.closeTo(Math.exp(-0.2), DIGITS)])
})

test("weights that all round to 0 are told from small ones", () => {
  expect(areNegligible([1e-7, 0])).toBe(true)
  expect(areNegligible([1e-7, 1e-5])).toBe(false)
})

describe("KTO, log-ratios .2 (desirable) and −.2 (undesirable), mismatched ones .4 and −.1", () => {
  const row = (label: boolean, ratio: number, mismatched: number): PairLogProbs => ({
    label,
    policyChosen: response([-2 + ratio, -1]),
    referenceChosen: response([-2, -1]),
    policyRejected: response([-4 + mismatched]),
    referenceRejected: response([-4]),
  })
  const rows = [row(true, 0.2, 0.4), row(false, -0.2, -0.1)]

  test("the reference point is the mean .15, and both losses are near one half", () => {
    const { loss, pairs, kl, chosen, rejected } = step(rows, { method: "kto" })
    expect(kl).toBeCloseTo(0.15, DIGITS)
    expect(pairs[0]!.loss).toBeCloseTo(0.49875000260416, DIGITS)
    expect(pairs[1]!.loss).toBeCloseTo(0.49125089311976, DIGITS)
    expect(loss).toBeCloseTo((0.49875000260416 + 0.49125089311976) / 2, DIGITS)
    expect(chosen[0]!.perToken).toBeCloseTo(-0.024999843750651 / 2, DIGITS)
    expect(chosen[1]!.perToken).toBeCloseTo(0.0249923453128798 / 2, DIGITS)
    // The mismatched completions only place the reference point.
    expect(rejected).toEqual([{ perToken: 0 }, { perToken: 0 }])
  })

  test("each row's reward is βr, on its label's side", () => {
    const { pairs } = step(rows, { method: "kto" })
    expect([pairs[0]!.rewardChosen, pairs[0]!.rewardRejected]).toEqual([expect.closeTo(0.02, DIGITS), undefined])
    expect([pairs[1]!.rewardChosen, pairs[1]!.rewardRejected]).toEqual([undefined, expect.closeTo(-0.02, DIGITS)])
  })

  test("λ weigh the rows of their label", () => {
    const weighted = step(rows, { method: "kto", desirableWeight: 3, undesirableWeight: 0.5 })
    expect(weighted.loss).toBeCloseTo((3 * 0.49875000260416 + 0.5 * 0.49125089311976) / 2, DIGITS)
  })

  test("a negative estimate counts as 0", () => {
    expect(step([row(true, 0.2, -0.4)], { method: "kto" }).kl).toBe(0)
  })

  test("all rows of one label are a legal step", () => {
    expect(step([rows[0]!], { method: "kto" }).kl).toBeCloseTo(0.4, DIGITS)
  })
})

test("an SFT term adds weight times the mean NLL over all chosen tokens, rows weighted alike", () => {
  const other = { ...handPair, policyChosen: response([-4]) }
  const plain = step([handPair, other], { method: "simpo" }, [2, 1])
  const { loss, chosen, negativeLogLikelihood } = step([handPair, other], { method: "simpo", sftWeight: 0.5 }, [2, 1])
  // Σ wᵢ sᵢ = 2·(−3) − 4 over Σ wᵢ|yᵢ| = 2·3 + 1.
  expect(negativeLogLikelihood).toBeCloseTo(10 / 7, DIGITS)
  expect(loss - plain.loss).toBeCloseTo(5 / 7, DIGITS)
  expect(chosen[0]!.perToken - plain.chosen[0]!.perToken).toBeCloseTo(-0.5 * (2 / 7), DIGITS)
  expect(chosen[1]!.perToken - plain.chosen[1]!.perToken).toBeCloseTo(-0.5 * (1 / 7), DIGITS)
})

test("every method's defaults are those of its documentation", () => {
  const betas = (
    ["alpha-dpo", "simpo", "alphapo", "dpo", "cpo", "r-dpo", "kto", "tdpo", "ld-dpo", "ipo", "orpo"] as const
  ).map((method) => methodDefaults(method).beta)
  expect(betas).toEqual([2.5, 2.5, 2.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
  expect([methodDefaults("cpo").sftWeight, methodDefaults("orpo").sftWeight, methodDefaults("dpo").sftWeight]).toEqual([
    1, 1, 0,
  ])
  expect([methodDefaults("alphapo").gammaBetaRatio, methodDefaults("simpo").gammaBetaRatio]).toEqual([0.04, 0.6])
})
