// Pairs of scored responses for the methods' tests: one small enough to work by hand, and arbitrary ones for laws.
import fc from "fast-check"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import {
  type MethodOptions,
  methodDefaults,
  type PreferenceMethod,
  preferenceDefinitionOf,
} from "#shared/methods/methods.ts"
import type { PairLogProbs, ScoredResponse } from "#shared/methods/pair-log-probs.ts"
import { type StepOptions, stepLoss } from "#shared/methods/step-loss.ts"

/** A response by its token log-probs. */
export function response(logProbs: readonly number[], more: Partial<ScoredResponse> = {}): ScoredResponse {
  return { sum: logProbs.reduce((sum, value) => sum + value, 0), count: logProbs.length, logProbs, ...more }
}

/** Sums −3, −3 under the policy and −3.2, −2.8 under the reference: log-ratios .2 and −.2. */
export const handPair: PairLogProbs = {
  policyChosen: response([-0.5, -1, -1.5], { meanCollision: -1.2, divergence: 0.3 }),
  policyRejected: response([-1, -2], { meanCollision: -1.4, divergence: 0.5 }),
  referenceChosen: response([-0.6, -1.2, -1.4]),
  referenceRejected: response([-1.1, -1.7]),
}

/** One pair's loss with the method's defaults and these options. */
export function pairLoss(
  method: PreferenceMethod,
  pair: PairLogProbs,
  options: Partial<MethodOptions> = {},
  stepConstant = 0,
) {
  return preferenceDefinitionOf(method).loss(pair, { ...methodDefaults(method), ...options }, stepConstant)
}

/** A step without gap statistics before it. */
export function step(pairs: readonly PairLogProbs[], options: StepOptions, weights?: readonly number[]) {
  return stepLoss(pairs, initialGapStatistics, options, weights)
}

/** The same pair with the roles of its responses exchanged. */
export function swapped({ policyChosen, policyRejected, referenceChosen, referenceRejected }: PairLogProbs) {
  return {
    policyChosen: policyRejected,
    policyRejected: policyChosen,
    referenceChosen: referenceRejected,
    referenceRejected: referenceChosen,
  }
}

/** The pair with the policy's scores as its reference, and no divergence from it. */
export function atReference(pair: PairLogProbs): PairLogProbs {
  return {
    ...pair,
    policyChosen: { ...pair.policyChosen, divergence: 0 },
    policyRejected: { ...pair.policyRejected, divergence: 0 },
    referenceChosen: pair.policyChosen,
    referenceRejected: pair.policyRejected,
  }
}

const tokens = fc.array(fc.double({ min: -6, max: -0.05, noNaN: true }), { minLength: 1, maxLength: 9 })

function scored(count: number): fc.Arbitrary<readonly number[]> {
  return fc.array(fc.double({ min: -6, max: -0.05, noNaN: true }), { minLength: count, maxLength: count })
}

const sides = tokens.chain((policy) =>
  fc.record({
    policy: fc.constant(policy),
    reference: scored(policy.length),
    meanCollision: fc.double({ min: -3, max: -0.1, noNaN: true }),
    divergence: fc.double({ min: 0, max: 4, noNaN: true }),
  }),
)

/** Pairs with everything that any method reads; labelled, so that KTO takes them too. */
export const arbitraryPair: fc.Arbitrary<PairLogProbs> = fc
  .tuple(sides, sides, fc.boolean())
  .map(([chosen, rejected, label]) => ({
    policyChosen: response(chosen.policy, chosen),
    policyRejected: response(rejected.policy, rejected),
    referenceChosen: response(chosen.reference),
    referenceRejected: response(rejected.reference),
    label,
  }))

/** A method's options with arbitrary values in their usual ranges. */
export const arbitraryOptions = fc
  .record({
    strength: fc.double({ min: 0, max: 1, noNaN: true }),
    gammaBetaRatio: fc.double({ min: 0, max: 2, noNaN: true }),
    alpha: fc.double({ min: 0.01, max: 1, noNaN: true }),
    labelSmoothing: fc.double({ min: 0, max: 0.4, noNaN: true }),
    dpoLoss: fc.constantFrom("sigmoid" as const, "robust" as const, "hinge" as const),
    ipoReduction: fc.constantFrom("mean" as const, "sum" as const),
    lengthPenalty: fc.double({ min: 0, max: 0.5, noNaN: true }),
    alphaPoAlpha: fc.double({ min: -0.5, max: 0.5, noNaN: true }),
    tdpoVariant: fc.constantFrom(1 as const, 2 as const),
    tdpoAlpha: fc.double({ min: 0, max: 1, noNaN: true }),
    ldAlpha: fc.double({ min: 0, max: 1, noNaN: true }),
    desirableWeight: fc.double({ min: 0.1, max: 2, noNaN: true }),
    undesirableWeight: fc.double({ min: 0.1, max: 2, noNaN: true }),
  })
  .map(({ strength, ...options }) => ({ ...options, strength }))

/** Those options for a method, with β inside its range. */
export function optionsOf(
  method: PreferenceMethod,
  { strength, ...options }: Partial<MethodOptions> & { readonly strength: number },
): MethodOptions {
  const { beta } = methodDefaults(method)
  return { ...methodDefaults(method), ...options, method, beta: beta * (0.5 + strength) }
}

/** A finite-difference-ready copy: token `index` of one policy response moved by `shift`. */
export function nudged(
  pair: PairLogProbs,
  side: "policyChosen" | "policyRejected",
  index: number,
  shift: number,
): PairLogProbs {
  const { logProbs, ...rest } = pair[side]
  const moved = Array.from(logProbs!, (value, i) => (i === index ? value + shift : value))
  return { ...pair, [side]: { ...rest, sum: rest.sum + shift, logProbs: moved } }
}
