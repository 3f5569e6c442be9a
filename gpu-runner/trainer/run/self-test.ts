// The step-0 self-test: before anything is trained, policy and reference must agree, else one of them is not what it claims to be.
import { type Rows, rowTokens, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { PrecisionPair } from "#shared/formats/weights/precision-bounds.ts"
import { isPreferenceMethod } from "#shared/methods/methods.ts"
import { gapOf, meanLogProb } from "#shared/methods/pair-log-probs.ts"
import { SelfTestFailed } from "../errors.ts"
import type { SelfTestResult } from "../results/artefacts.ts"
import { type RowScores, scoreRows } from "../step/score-rows.ts"
import { pairOf } from "../step/step-loss.ts"
import { type ResolvedConfig, type RunInputs, scoredProgress } from "./run-inputs.ts"

/** A software adapter takes seconds for a hundred tokens of a small model. */
const SOFTWARE_SELF_TEST_TOKENS = 256

/** The policy with its adapter in place, against the reference: also where the reference was computed here, without the adapter. */
export async function runSelfTest(
  context: OpContext,
  policy: Decoder,
  config: ResolvedConfig,
  inputs: RunInputs,
): Promise<SelfTestResult | undefined> {
  const tokenLimit = context.gpu.lane === "software" ? SOFTWARE_SELF_TEST_TOKENS : Number.POSITIVE_INFINITY
  const sample = isPreferenceMethod(config.method) ? selfTestSample(inputs.train, tokenLimit) : []
  if (sample.length === 0) return undefined
  const scores = await scoreRows(context, policy, sample, {
    tokenBudget: config.tokensPerMicroBatch,
    onScored: scoredProgress(inputs, "self-test", sample.length),
  })
  return comparedScores(sample, scores, config.selfTestTolerance, inputs.precisions)
}

/** Rows that the test looks at: enough of the data's variety, little of a run's time. */
const MOST_ROWS = 16
/** So many are looked at however long they are. */
const FEWEST_ROWS = 2

/** A spread of up to 16 rows that have a reference: of fewer, down to 2, where more would have over `tokenLimit` tokens. */
export function selfTestSample(rows: Rows, tokenLimit: number): TokenRow[] {
  const scored = rows.onDisk ? referencedOnDisk(rows) : [...rows].filter(({ reference }) => reference !== undefined)
  const spread = (count: number) =>
    Array.from({ length: count }, (_, i) => scored.at(Math.floor((i * scored.length) / count))!)
  let count = Math.min(MOST_ROWS, scored.length)
  while (count > FEWEST_ROWS && spread(count).reduce((sum, row) => sum + rowTokens(row), 0) > tokenLimit) count--
  return spread(count)
}

/** All or none. */
const referencedOnDisk = (rows: Rows): Rows => (rows.onDisk?.hasReference === true ? rows : [])

/** Compares the initial policy's scores with the rows' references. Errors: SelfTestFailed, which names the worst row. */
function comparedScores(
  rows: readonly TokenRow[],
  scores: readonly RowScores[],
  own: number,
  precisions: PrecisionPair | undefined,
): SelfTestResult {
  const tolerance = own + (precisions?.bound ?? 0)
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
      `allowed ${tolerance}${allowance(precisions)}), most at row ${JSON.stringify(worst?.id)}: the reference was scored with other weights, or with another tokenizer, ` +
      `template, adapter, precision of the weights (baseWeights) or of products (precision); ${mendOf(precisions)}`,
  )
}

/** Why more is allowed than the configuration says. */
const allowance = (precisions: PrecisionPair | undefined): string =>
  precisions === undefined
    ? ""
    : `, ${precisions.bound} of it because the reference is in ${precisions.reference} and the base is held in ${precisions.policy}`

const mendOf = (precisions: PrecisionPair | undefined): string =>
  precisions === undefined
    ? "score the data again with the model that is trained, held and computed in the same way"
    : `have the reference computed in the precision of the base (a dataset's reference.precision: ${precisions.policy}), or hold the base in the reference's (baseWeights)`
