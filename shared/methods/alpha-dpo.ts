// α-DPO (Wu et al., arXiv 2410.10148) as the authors' code computes it: SimPO with a margin that adapts to every pair.
// Where paper and code differ the code is followed: the adaptive term stands inside β, so in reward space it is αβ·z.
import { defineMethod, type StepConstants } from "./define-method.ts"
import { GAP_STD_FLOOR, normaliseStep, STATISTICS_MODES, sampleMoments } from "./gap-statistics.ts"
import { choiceOption, integerOption, numberOption } from "./option.ts"
import { betaOf, gammaBetaRatio, labelSmoothing } from "./options.ts"
import { oppositeDirection } from "./pair-direction.ts"
import { gapOf, meanLogProb, type PairLogProbs, ReferenceMissing, referenceOf } from "./pair-log-probs.ts"
import { fixedMarginLoss, simpoLoss } from "./simpo.ts"

/** α: 0 is SimPO, bit for bit, and never reads the reference. α = 1 is not DPO. */
const alpha = numberOption("alpha", { from: 0, to: 100, default: 0.2, about: "α" })

const statistics = choiceOption("statistics", {
  values: STATISTICS_MODES,
  default: "adaptive",
  about: "which running values normalise the gap",
})

const gapStdFloor = numberOption("gapStdFloor", {
  above: 0,
  to: 100,
  default: GAP_STD_FLOOR,
  about: "floor of the gap's deviation, nats per token",
})

const officialGroupPairs = integerOption("officialGroupPairs", {
  from: 2,
  to: 65_536,
  default: 8,
  about: "pairs of one update of `official` statistics",
})

/**
 * margin = stopGradient(γ/β + α·z), u = β(Δθ − margin) with mean log-probs; the step constant is z of the gap statistics.
 * Errors: ReferenceMissing, DegenerateGapStatistics.
 */
export const alphaDpo = defineMethod({
  name: "alpha-dpo",
  title: "α-DPO",
  rows: "pairs",
  reduction: "mean",
  beta: betaOf.mean,
  options: [gammaBetaRatio, alpha, statistics, gapStdFloor, officialGroupPairs, labelSmoothing],
  conditions: {
    gapStdFloor: { holds: ({ statistics }) => statistics !== "official", needs: 'statistics "adaptive" or "lagged"' },
    officialGroupPairs: { holds: ({ statistics }) => statistics === "official", needs: 'statistics "official"' },
  },
  reference: "sums",
  noReference: { holds: ({ alpha }) => alpha === 0, when: "α = 0" },
  loss: (pair, options, normalisedGap) => {
    const { alpha, beta, gammaBetaRatio } = options
    if (alpha === 0) return simpoLoss(pair, options)
    const reference = referenceOf("alpha-dpo", pair)
    return {
      ...fixedMarginLoss(pair, options, gammaBetaRatio + alpha * normalisedGap),
      rewardChosen: beta * ((1 - alpha) * meanLogProb(pair.policyChosen) + alpha * meanLogProb(reference.chosen)),
      rewardRejected: beta * ((1 - alpha) * meanLogProb(pair.policyRejected) + alpha * meanLogProb(reference.rejected)),
    }
  },
  comparableLoss: (pair, options) => (options.alpha === 0 ? undefined : simpoLoss(pair, options).loss),
  direction: (lengths) => oppositeDirection(lengths, "mean"),
  step: (pairs, { alpha, statistics: mode, gapStdFloor: stdFloor, officialGroupPairs }, statistics) =>
    alpha === 0
      ? undefined
      : normalisedGaps(pairs, (gaps) => normaliseStep(statistics, gaps, { mode, stdFloor, officialGroupPairs })),
  // Also the running statistics that z was taken with, since they are state.
  metrics: ({ losses, normaliser, excludedGaps }, { alpha }) => {
    const margins = losses.map(({ margin }) => margin)
    const { mean, std = 0 } = sampleMoments(margins)
    return {
      ...(alpha === undefined ? {} : { alpha }),
      "margin/mean": mean,
      "margin/min": Math.min(...margins),
      "margin/max": Math.max(...margins),
      "margin/std": std,
      "margin/negative_share": margins.reduce((sum, margin) => sum + (margin < 0 ? 1 : 0), 0) / margins.length,
      ...(normaliser ? { "gap/running_mean": normaliser.mean, "gap/running_std": normaliser.std } : {}),
      ...(excludedGaps > 0 ? { "gap/excluded": excludedGaps } : {}),
    }
  },
  docs: {
    formula: "β(Δθ − (γ/β + αz))",
    reward: "β[(1−α)ℓθ + αℓref]",
    reducesTo: "`simpo` at α = 0, bit for bit; never `dpo`",
    source: "arXiv 2410.10148, the authors' code",
  },
})

function normalisedGaps(
  pairs: readonly PairLogProbs[],
  normalise: (gaps: readonly number[]) => ReturnType<typeof normaliseStep>,
): StepConstants {
  const gaps = normalise(
    pairs.map((pair) => {
      const gap = gapOf(pair)
      if (gap === undefined) throw new ReferenceMissing("alpha-dpo")
      return gap
    }),
  )
  return { constants: gaps.normalised, gaps }
}
