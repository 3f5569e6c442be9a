// The direction of a pair's gradient, which backward passes start from before the loss is known: for arbitrary pairs and options the
// derivatives are a multiple of it, token by token and by the divergences, or there is said to be none.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  type MethodOptions,
  methodDefaults,
  type PreferenceMethod,
  preferenceDefinitionOf,
  preferenceMethods,
} from "#shared/methods/methods.ts"
import { type PairLogProbs, type ResponseGradient, tokenGradient } from "#shared/methods/pair-log-probs.ts"
import { pairDirection } from "#shared/methods/step-loss.ts"
import { arbitraryOptions, arbitraryPair, optionsOf, pairLoss } from "./sample-pairs.ts"

const constants: Partial<Record<PreferenceMethod, number>> = { kto: 0.3, "alpha-dpo": -0.7 }

function lengthsOf({ policyChosen, policyRejected }: PairLogProbs) {
  return { chosen: policyChosen.count, rejected: policyRejected.count }
}

function expectMultiple(actual: ResponseGradient, direction: ResponseGradient, factor: number, count: number) {
  const expectClose = (value: number, expected: number) =>
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(1e-14 * Math.abs(expected))
  for (let token = 0; token < count; token++) {
    expectClose(tokenGradient(actual, token), factor * tokenGradient(direction, token))
  }
  expectClose(actual.perDivergence ?? 0, factor * (direction.perDivergence ?? 0))
}

const directed = preferenceMethods.filter((method) => preferenceDefinitionOf(method).direction !== undefined)

describe.each(directed)("%s", (method) => {
  test("both responses' derivatives are one factor times the direction", () => {
    fc.assert(
      fc.property(arbitraryPair, arbitraryOptions, (pair, drawn) => {
        const options: MethodOptions = { ...optionsOf(method, drawn), sftWeight: 0 }
        const direction = pairDirection(lengthsOf(pair), options)!
        const { chosen, rejected } = pairLoss(method, pair, options, constants[method])
        const factor = chosen.perToken / direction.chosen.perToken
        expectMultiple(chosen, direction.chosen, factor, pair.policyChosen.count)
        expectMultiple(rejected, direction.rejected, factor, pair.policyRejected.count)
      }),
    )
  })

  test("an SFT term leaves no direction", () => {
    const options = { ...methodDefaults(method), sftWeight: 0.1 }
    expect(pairDirection({ chosen: 3, rejected: 4 }, options)).toBeUndefined()
  })
})

test.each(["orpo", "alphapo"] as const)("%s has no direction: its slopes depend on each response's score", (method) => {
  expect(pairDirection({ chosen: 3, rejected: 4 }, { ...methodDefaults(method), sftWeight: 0 })).toBeUndefined()
})
