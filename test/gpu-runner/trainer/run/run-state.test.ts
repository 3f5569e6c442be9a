// What a run remembers between steps: the best evaluation, and when patience ends.
import { expect, test } from "vitest"
import {
  afterEvaluation,
  afterStep,
  initialState,
  type RunState,
  type StoppingRule,
} from "#gpu-runner/trainer/run/run-state.ts"
import type { StepGradient } from "#gpu-runner/trainer/step/gradient-step.ts"

/** Evaluates after every step with these values; returns the states. */
function states(values: readonly number[], rule: StoppingRule): RunState[] {
  let state = initialState
  return values.map((value, index) => {
    state = afterEvaluation({ ...state, step: index + 1 }, { comparableLoss: value, accuracy: value }, rule)
    return state
  })
}

test("the least loss is the best, an equal one is no new best, and one that is not finite never is", () => {
  const rule = { earlyStoppingMetric: "eval_loss", earlyStoppingPatience: 0 } as const
  const found = states([Number.NaN, 2, 1, 1, Number.NEGATIVE_INFINITY, 3], rule)
  expect(found.map(({ best }) => best?.step ?? null)).toEqual([null, 2, 3, 3, 3, 3])
  expect(found.map(({ evaluationsSinceBest }) => evaluationsSinceBest)).toEqual([1, 0, 0, 1, 2, 3])
  expect(found.some(({ isStoppedEarly }) => isStoppedEarly)).toBe(false)
})

test("the highest accuracy is the best, and the n-th evaluation without a new best ends the run", () => {
  const rule = { earlyStoppingMetric: "eval_accuracy", earlyStoppingPatience: 2 } as const
  const found = states([0.5, 0.6, 0.6, 0.7, 0.6, 0.7], rule)
  expect(found.map(({ best }) => best!.step)).toEqual([1, 2, 2, 4, 4, 4])
  expect(found.map(({ isStoppedEarly }) => isStoppedEarly)).toEqual([false, false, false, false, false, true])
})

test("an evaluation beyond the budget of drift ends the run and is never the best", () => {
  const rule = { earlyStoppingMetric: "eval_loss", earlyStoppingPatience: 0, klBudget: 0.5 } as const
  const after = (driftPerToken: number | undefined) =>
    afterEvaluation({ ...initialState, step: 1 }, { comparableLoss: 1, accuracy: 1, driftPerToken }, rule)
  expect(after(0.5)).toMatchObject({ best: { step: 1, value: 1 }, isStoppedEarly: false })
  for (const beyond of [0.500001, Number.NaN, Number.MAX_VALUE, undefined])
    expect(after(beyond)).toMatchObject({ best: null, isStoppedEarly: true })
})

test("told to lower the rate, it ends the run where less than 1/1024 of it would be left", () => {
  const kept = { earlyStoppingMetric: "eval_loss", earlyStoppingPatience: 0 } as const
  const rule: StoppingRule = { ...kept, klBudget: 1e-6, onKlBudget: "lower-rate" }
  let state: RunState = initialState
  const evaluation = { comparableLoss: 1, accuracy: 1, driftPerToken: 1 }
  for (let beyond = 1; beyond <= 10; beyond++) {
    state = afterEvaluation(state, evaluation, rule)
    expect(state).toMatchObject({ rateShare: 0.5 ** beyond, isStoppedEarly: false })
  }
  expect(afterEvaluation(state, evaluation, rule)).toMatchObject({ rateShare: 1 / 1024, isStoppedEarly: true })
})

test("told to lower the rate, every evaluation beyond the budget halves what is left of it, and the run goes on", () => {
  const kept = { earlyStoppingMetric: "eval_loss", earlyStoppingPatience: 0 } as const
  const rule: StoppingRule = { ...kept, klBudget: 0.5, onKlBudget: "lower-rate" }
  let state: RunState = initialState
  const after = (driftPerToken: number | undefined, by: StoppingRule = rule) => {
    state = afterEvaluation({ ...state, step: state.step + 1 }, { comparableLoss: 1, accuracy: 1, driftPerToken }, by)
    return state
  }
  expect(after(0.5)).not.toHaveProperty("rateShare")
  expect(after(0.6)).toMatchObject({ rateShare: 0.5, isStoppedEarly: false, best: { step: 1 } })
  expect(after(0.4)).toMatchObject({ rateShare: 0.5, isStoppedEarly: false })
  expect(after(Number.MAX_VALUE)).toMatchObject({ rateShare: 0.25, isStoppedEarly: false })
  for (const none of [Number.NaN, undefined])
    expect(after(none)).toMatchObject({ rateShare: 0.25, isStoppedEarly: true, best: { step: 1 } })
  expect(after(0.6, { ...rule, earlyStoppingPatience: 1 })).toMatchObject({ rateShare: 0.125, isStoppedEarly: true })
  expect(after(0.6, { ...rule, onKlBudget: "stop" })).toMatchObject({ rateShare: 0.125, isStoppedEarly: true })
})

test("a skipped step leaves no trace but its counters, also not in the gap's statistics", () => {
  const step = (loss: number, mean: number) =>
    ({ loss: { loss, statistics: { mean, std: 1, meanUpdates: 1, stdUpdates: 1 } } }) as unknown as StepGradient
  const before = afterStep(initialState, step(0.7, 0.1), false, 10)
  const skipped = afterStep(before, step(0.6, 0.9), true, 10)
  expect(skipped).toEqual({ ...before, step: 2, totalTokens: 20, skipped: 1, skippedInARow: 1 })
  const after = afterStep(skipped, step(0.5, 0.2), false, 10)
  expect(after).toMatchObject({ step: 3, updates: 2, skipped: 1, skippedInARow: 0, firstLoss: 0.7, lastLoss: 0.5 })
  expect(after.statistics.mean).toBe(0.2)
})
