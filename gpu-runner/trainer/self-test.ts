// The step-0 self-test: before anything is trained, policy and reference must agree, else one of them is not what it claims to be.
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { gapOf, meanLogProb } from "#shared/preference/pair-log-probs.ts"
import { SelfTestFailed } from "./errors.ts"
import type { RowScores } from "./step/score-rows.ts"
import { pairOf } from "./step/step-loss.ts"

export interface SelfTestResult {
  readonly rows: number
  /** Largest |M|, nats per token. */
  readonly maxGap: number
  /** Largest |ℓθ − ℓref| of a response: a shift of both responses alike cancels in M, but not here. */
  readonly maxDifference: number
  readonly tolerance: number
}

/** Rows that the test looks at: enough of the data's variety, little of a run's time. */
const SELF_TEST_ROWS = 16

/** A spread of rows that have a reference. */
export function selfTestSample(rows: readonly TokenRow[]): TokenRow[] {
  const scored = rows.filter(({ reference }) => reference !== undefined)
  const stride = Math.max(1, scored.length / SELF_TEST_ROWS)
  return Array.from({ length: Math.min(SELF_TEST_ROWS, scored.length) }, (_, i) => scored[Math.floor(i * stride)]!)
}

/** Compares the initial policy's scores with the rows' references. Errors: SelfTestFailed, which names the worst row. */
export function selfTest(rows: readonly TokenRow[], scores: readonly RowScores[], tolerance: number): SelfTestResult {
  let worst: TokenRow | undefined
  let maxGap = 0
  let maxDifference = 0
  rows.forEach((row, index) => {
    const pair = pairOf(row, scores[index]!)
    const { policyChosen, policyRejected, referenceChosen, referenceRejected } = pair
    const difference = Math.max(
      Math.abs(meanLogProb(policyChosen) - meanLogProb(referenceChosen!)),
      Math.abs(meanLogProb(policyRejected) - meanLogProb(referenceRejected!)),
    )
    const gap = Math.abs(gapOf(pair)!)
    maxGap = gap > maxGap || Number.isNaN(gap) ? gap : maxGap
    if (difference > maxDifference || Number.isNaN(difference)) {
      maxDifference = difference
      worst = row
    }
  })
  if (maxGap <= tolerance && maxDifference <= tolerance) return { rows: rows.length, maxGap, maxDifference, tolerance }
  throw new SelfTestFailed(
    `before the first step, policy and reference differ by ${maxDifference.toPrecision(3)} nats per token (gap ${maxGap.toPrecision(3)}, ` +
      `allowed ${tolerance}), most at row ${JSON.stringify(worst?.id)}: the reference was scored with other weights, or with another tokenizer, ` +
      "template, adapter or precision of the weights (baseWeights); score the data again with the model that is trained, held in the same way",
  )
}
