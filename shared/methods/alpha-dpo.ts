// α-DPO (Wu et al., arXiv 2410.10148) as the authors' code computes it: SimPO with a margin that adapts to every pair.
// Where paper and code differ the code is followed: the adaptive term stands inside β, so in reward space it is αβ·z.
import { defineMethod } from "./define-method.ts"
import { GAP_STD_FLOOR, type GapNormaliser, normaliseStep, STATISTICS_MODES, sampleMoments } from "./gap-statistics.ts"
import { choiceOption, givenNumberOption, integerOption, numberOption } from "./option.ts"
import { betaOf, gammaBetaRatio, labelSmoothing } from "./options.ts"
import { oppositeDirection } from "./pair-direction.ts"
import { gapOf, meanLogProb, type PairLogProbs, ReferenceMissing, referenceOf } from "./pair-log-probs.ts"
import { fixedMarginLoss, simpoLoss } from "./simpo.ts"

/** α: 0 is SimPO, bit for bit, and never reads the reference. α = 1 is not DPO. Below 0 the pairs that lag are asked for more. */
const alpha = numberOption("alpha", { from: -100, to: 100, default: 0.2, about: "α" })

/** ρ: 0 is SimPO, bit for bit. At 1 a pair's gradient would no longer fall with how far it has come. */
const gapShare = givenNumberOption("gapShare", {
  from: -1,
  to: 0.9,
  about: "ρ in α's place: the margin moves by that share of a pair's gap beyond the running mean, without a deviation",
})

const gapCap = numberOption("gapCap", {
  above: 0,
  to: 100,
  default: 1.2,
  about: "the most by which `gapShare` moves the margin, nats per token",
})

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

interface AdaptiveMargin {
  readonly alpha: number
  readonly gapShare: number | undefined
  readonly gapCap: number
}

/** By how much a pair's margin leaves γ/β, nats per token: α·z, or ρ(M − m) within the cap. */
function marginShift({ alpha, gapShare, gapCap }: AdaptiveMargin, stepConstant: number): number {
  if (gapShare === undefined) return alpha * stepConstant
  return Math.max(-gapCap, Math.min(gapCap, gapShare * stepConstant))
}

/** How much of the reference is in the rewards: 0 is SimPO, which reads none. */
const referenceShare = ({ alpha, gapShare }: Partial<AdaptiveMargin>): number | undefined => gapShare ?? alpha

const withoutGapShare = {
  holds: ({ gapShare }: Partial<AdaptiveMargin>) => gapShare === undefined,
  insteadOf: "gapShare",
}

/**
 * margin = stopGradient(γ/β + α·z) or stopGradient(γ/β + clamp(ρ(M − m), ±cap)), u = β(Δθ − margin) with mean log-probs; the step constant
 * is z or M − m of the gap statistics. Errors: ReferenceMissing, DegenerateGapStatistics.
 */
export const alphaDpo = defineMethod({
  name: "alpha-dpo",
  title: "α-DPO",
  rows: "pairs",
  reduction: "mean",
  beta: betaOf.mean,
  options: [gammaBetaRatio, alpha, gapShare, gapCap, statistics, gapStdFloor, officialGroupPairs, labelSmoothing],
  conditions: {
    alpha: [withoutGapShare],
    gapCap: [{ holds: ({ gapShare }) => gapShare !== undefined, needs: "gapShare" }],
    gapStdFloor: [
      { holds: ({ statistics }) => statistics !== "official", needs: 'statistics "adaptive" or "lagged"' },
      withoutGapShare,
    ],
    officialGroupPairs: [{ holds: ({ statistics }) => statistics === "official", needs: 'statistics "official"' }],
  },
  reference: "sums",
  noReference: { holds: (options) => referenceShare(options) === 0, when: "α = 0 or ρ = 0" },
  loss: (pair, options, stepConstant) => {
    const share = referenceShare(options)!
    if (share === 0) return simpoLoss(pair, options)
    const { beta, gammaBetaRatio } = options
    const reference = referenceOf("alpha-dpo", pair)
    return {
      ...fixedMarginLoss(pair, options, gammaBetaRatio + marginShift(options, stepConstant)),
      rewardChosen: beta * ((1 - share) * meanLogProb(pair.policyChosen) + share * meanLogProb(reference.chosen)),
      rewardRejected: beta * ((1 - share) * meanLogProb(pair.policyRejected) + share * meanLogProb(reference.rejected)),
    }
  },
  comparableLoss: (pair, options) => (referenceShare(options) === 0 ? undefined : simpoLoss(pair, options).loss),
  direction: (lengths) => oppositeDirection(lengths, "mean"),
  step: (pairs, options, statistics) => {
    if (referenceShare(options) === 0) return undefined
    const { statistics: mode, gapStdFloor: stdFloor, officialGroupPairs, gapShare } = options
    const gaps = normaliseStep(statistics, gapsOf(pairs), { mode, stdFloor, officialGroupPairs })
    return { constants: gapShare === undefined ? gaps.normalised : gaps.centred, gaps }
  },
  // Also the running statistics that z was taken with, since they are state.
  metrics: ({ losses, normaliser, excludedGaps }, options) => {
    const { alpha } = options
    const margins = losses.map(({ margin }) => margin)
    const { mean, std = 0 } = sampleMoments(margins)
    return {
      ...(alpha === undefined ? {} : { alpha }),
      "margin/mean": mean,
      "margin/min": Math.min(...margins),
      "margin/max": Math.max(...margins),
      "margin/std": std,
      "margin/negative_share": margins.reduce((sum, margin) => sum + (margin < 0 ? 1 : 0), 0) / margins.length,
      ...gapShareMetric(options, normaliser),
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

/** M of every pair, nats per token. */
function gapsOf(pairs: readonly PairLogProbs[]): number[] {
  return pairs.map((pair) => {
    const gap = gapOf(pair)
    if (gap === undefined) throw new ReferenceMissing("alpha-dpo")
    return gap
  })
}

/**
 * ρ: the share of a pair's gap by which its margin moves. u is β[Δref + (1 − ρ)M + ρm − γ/β], so beyond 1 the pairs that are furthest apart
 * are pushed hardest. Of α it is α/s, another at every step.
 */
function gapShareMetric(
  { alpha, gapShare }: Partial<AdaptiveMargin>,
  normaliser: GapNormaliser | undefined,
): Readonly<Record<string, number>> {
  const share = gapShare ?? (normaliser && alpha !== undefined ? alpha / normaliser.std : undefined)
  return share === undefined ? {} : { "margin/gap_share": share }
}
