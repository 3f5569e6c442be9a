// Held-out evaluation on given scores: the method's loss by hand, and the running statistics it may use but never changes.
import { Result } from "effect"
import { describe, expect, test } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { evaluateHeldOut } from "#gpu-runner/trainer/results/evaluate.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { initialGapStatistics } from "#shared/methods/gap-statistics.ts"

// The golden pairs of the specification, as responses of one token: mean log-probs under policy and reference.
const POLICY = [
  [-0.8, -0.9],
  [-1.1, -1.0],
  [-0.95, -1.2],
  [-1.3, -1.25],
] as const
const REFERENCE = [
  [-0.85, -0.88],
  [-1.05, -1.02],
  [-1.0, -1.15],
  [-1.32, -1.28],
] as const

const rows = REFERENCE.map(
  ([chosen, rejected], i): TokenRow => ({
    id: `row-${i}`,
    promptIds: Uint32Array.of(1),
    chosenIds: Uint32Array.of(2),
    rejectedIds: Uint32Array.of(3),
    weight: 1,
    reference: { chosen: { sum: chosen, count: 1 }, rejected: { sum: rejected, count: 1 } },
  }),
)
const scores = POLICY.map(([chosen, rejected]) => ({
  chosen: Float32Array.of(chosen),
  rejected: Float32Array.of(rejected),
}))
const evaluated = (config: object, statistics = initialGapStatistics) =>
  evaluateHeldOut(rows, scores as never, statistics, Result.getOrThrow(decodeTrainConfig(config)))

describe("what compares", () => {
  test("α-DPO's loss stands beside that at its fixed margin, SimPO's", () => {
    const { loss, comparableLoss, metrics } = evaluated({ method: "alpha-dpo" })
    expect(loss).toBeCloseTo(1.60214851, 6)
    expect(comparableLoss).toBeCloseTo(1.61008561, 6)
    expect(metrics.eval_loss_at_fixed_margin).toBe(comparableLoss)
  })

  test("as held-out pairs part further than the training pairs did, α-DPO's own loss rises and what compares falls", () => {
    const share = 1 - 0.9 ** 20
    const statistics = { mean: 0, std: 0.01 * share, meanUpdates: 20, stdUpdates: 20 }
    const config = Result.getOrThrow(decodeTrainConfig({ method: "alpha-dpo" }))
    const at = (gain: number) => {
      const learnt = scores.map(({ chosen, rejected }) => ({ chosen: chosen.map((value) => value + gain), rejected }))
      return evaluateHeldOut(rows, learnt as never, statistics, config)
    }
    expect(at(0.3).loss).toBeGreaterThan(3 * at(0).loss)
    expect(at(0.3).comparableLoss).toBeLessThan(at(0).comparableLoss)
    expect([at(0).accuracy, at(0.3).accuracy]).toEqual([0.5, 1])
  })

  test("of other methods, and at α = 0, it is the loss itself", () => {
    for (const config of [{ method: "simpo" }, { method: "dpo" }, { method: "alpha-dpo", alpha: 0 }]) {
      const { loss, comparableLoss, metrics } = evaluated(config)
      expect(comparableLoss).toBe(loss)
      expect(metrics).not.toHaveProperty("eval_loss_at_fixed_margin")
    }
  })
})

describe("the loss is the method's own", () => {
  test("α-DPO: the golden mean of a first training step, 1.60214851", () => {
    expect(evaluated({ method: "alpha-dpo" }).loss).toBeCloseTo(1.60214851, 6)
  })

  test("SimPO: 1.61008561", () => {
    expect(evaluated({ method: "simpo" }).loss).toBeCloseTo(1.61008561, 6)
  })

  test("official statistics are used as they are, uncorrected and unfloored", () => {
    const statistics = { mean: 0.01, std: 0.0005, meanUpdates: 3, stdUpdates: 3 }
    const margins = [0.07, -0.07, 0.1, -0.01].map((gap) => 0.6 + 0.2 * ((gap - 0.01) / 0.0005))
    const losses = POLICY.map(([w, l], i) => Math.log1p(Math.exp(-2.5 * (w - l - margins[i]!))))
    const expected = losses.reduce((sum, loss) => sum + loss, 0) / 4
    // Scores are f32, and z is their difference over .0005.
    expect(evaluated({ method: "alpha-dpo", statistics: "official" }, statistics).loss).toBeCloseTo(expected, 2)
    expect(evaluated({ method: "alpha-dpo", statistics: "official" }).loss).toBeCloseTo(1.61008561, 6)
  })

  test("official statistics of rounding alone, as before the first update, normalise nothing", () => {
    for (const std of [0, 1e-8]) {
      const statistics = { mean: 1e-8, std, meanUpdates: 2, stdUpdates: 2 }
      expect(evaluated({ method: "alpha-dpo", statistics: "official" }, statistics).loss).toBeCloseTo(1.61008561, 6)
    }
  })
})

test("metrics have TRL's names behind eval_, and are means over the pairs", () => {
  const { metrics, accuracy } = evaluated({ method: "simpo", beta: 2 })
  expect(accuracy).toBe(0.5)
  expect(metrics).toMatchObject({
    eval_accuracy: 0.5,
    "eval_rewards/accuracies": 0.5,
    "eval_rewards/margins": expect.closeTo(0.1, 6),
    "eval_logps/chosen": expect.closeTo(-1.0375, 6),
    "eval_logps/ref_rejected": expect.closeTo(-1.0825, 6),
    "eval_gap/mean": expect.closeTo(0.0225, 6),
  })
})
