// Every method against torch: losses, derivatives by single tokens and positions, statistics, as test/golden/oracle recorded them in f64.
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { type GapStatistics, initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import type { MethodOptions } from "#shared/methods/methods.ts"
import {
  type PairLogProbs,
  type ResponseGradient,
  type ScoredResponse,
  tokenGradient,
} from "#shared/methods/pair-log-probs.ts"
import { sftLoss } from "#shared/methods/sft.ts"
import { type StepOptions, stepLoss } from "#shared/methods/step-loss.ts"

type Lists = readonly (readonly number[])[]
type Side = "policyChosen" | "policyRejected" | "referenceChosen" | "referenceRejected"

interface Inputs extends Readonly<Record<`${Side}LogProbs`, Lists>> {
  readonly chosenCollisions?: Lists
  readonly rejectedCollisions?: Lists
  readonly chosenDivergences?: Lists
  readonly rejectedDivergences?: Lists
  readonly labels?: readonly boolean[]
}

interface Entry {
  readonly name: string
  readonly options: Partial<Omit<MethodOptions, "method">> & { readonly method: MethodOptions["method"] | "sft" }
  readonly rows: string
  readonly weights?: readonly number[]
  readonly loss: number
  readonly losses?: readonly number[]
  readonly pairWeights?: readonly number[]
  readonly kl?: number
  readonly statisticsBefore?: GapStatistics
  readonly statisticsAfter?: GapStatistics
  readonly dPolicyChosenLogProbs: Lists
  readonly dPolicyRejectedLogProbs: Lists
  readonly dChosenDivergences?: Lists
  readonly dRejectedDivergences?: Lists
}

const golden = JSON.parse(readFileSync(new URL("../../golden/methods.json", import.meta.url), "utf8")) as {
  readonly inputs: Readonly<Record<string, Inputs>>
  readonly entries: readonly Entry[]
}

/** Two implementations in f64 differ by the order of their sums. */
const TOLERANCE = 1e-12

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)
const scored = (logProbs: readonly number[]): ScoredResponse => ({
  sum: total(logProbs),
  count: logProbs.length,
  logProbs,
})

function pairsOf(inputs: Inputs): PairLogProbs[] {
  const policy = (side: "chosen" | "rejected", logProbs: readonly number[], index: number): ScoredResponse => {
    const [collisions, divergences] = [inputs[`${side}Collisions`]?.[index], inputs[`${side}Divergences`]?.[index]]
    return {
      ...scored(logProbs),
      meanCollision: collisions && total(collisions) / collisions.length,
      divergence: divergences && total(divergences),
    }
  }
  return inputs.policyChosenLogProbs.map((chosen, index) => ({
    policyChosen: policy("chosen", chosen, index),
    policyRejected: policy("rejected", inputs.policyRejectedLogProbs[index]!, index),
    referenceChosen: scored(inputs.referenceChosenLogProbs[index]!),
    referenceRejected: scored(inputs.referenceRejectedLogProbs[index]!),
    label: inputs.labels?.[index],
  }))
}

function expectGradients(gradients: readonly ResponseGradient[], expected: Lists): void {
  expected.forEach((tokens, row) => {
    tokens.forEach((value, token) => {
      expect(Math.abs(tokenGradient(gradients[row]!, token) - value), `row ${row}, token ${token}`).toBeLessThan(
        TOLERANCE,
      )
    })
  })
}

function expectDivergenceGradients(gradients: readonly ResponseGradient[], expected: Lists | undefined): void {
  expected?.forEach((positions, row) => {
    for (const value of positions) expect(Math.abs(gradients[row]!.perDivergence! - value)).toBeLessThan(TOLERANCE)
  })
}

describe("torch agrees on", () => {
  test.each(golden.entries.filter(({ options }) => options.method !== "sft"))("$name", (entry) => {
    const { options, weights, rows } = entry
    const before = entry.statisticsBefore ?? initialGapStatistics
    const step = stepLoss(pairsOf(golden.inputs[rows]!), before, options as StepOptions, weights)
    expect(Math.abs(step.loss - entry.loss)).toBeLessThan(TOLERANCE * Math.max(1, entry.loss))
    entry.losses!.forEach((loss, row) => {
      expect(Math.abs(step.pairs[row]!.loss - loss)).toBeLessThan(TOLERANCE * Math.max(1, loss))
    })
    expectGradients(step.chosen, entry.dPolicyChosenLogProbs)
    expectGradients(step.rejected, entry.dPolicyRejectedLogProbs)
    expectDivergenceGradients(step.chosen, entry.dChosenDivergences)
    expectDivergenceGradients(step.rejected, entry.dRejectedDivergences)
    expect(step.pairWeights).toEqual(entry.pairWeights?.map((weight) => expect.closeTo(weight, 12)))
    if (entry.kl !== undefined) expect(step.kl).toBeCloseTo(entry.kl, 12)
    if (entry.statisticsAfter) {
      const { mean, std, ...updates } = entry.statisticsAfter
      expect(step.statistics).toEqual({ mean: expect.closeTo(mean, 14), std: expect.closeTo(std, 14), ...updates })
    }
  })

  test.each(golden.entries.filter(({ options }) => options.method === "sft"))("$name", (entry) => {
    const responses = golden.inputs[entry.rows]!.policyChosenLogProbs.map(scored)
    const { loss, tokenWeights } = sftLoss(responses, entry.weights)
    expect(Math.abs(loss - entry.loss)).toBeLessThan(TOLERANCE)
    expectGradients(
      Array.from(tokenWeights, (perToken) => ({ perToken })),
      entry.dPolicyChosenLogProbs,
    )
  })
})
