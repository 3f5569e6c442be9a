// Held-out numbers of an adapter from its evaluation and the run's pack. Pure, f64, nats.
import { pairAccuracy, type ScoredPair } from "#shared/methods/accuracy.ts"
import { meanLogProb, type ResponseLogProb } from "#shared/methods/pair-log-probs.ts"
import type { Evaluation } from "#shared/wire/evaluation.ts"
import { type PackShard, shardPair } from "#shared/wire/pack-shard.ts"
import type { Evaluated } from "#shared/workflows/retrain.ts"

const sumOf = (logProbs: ArrayLike<number>): number => Array.from(logProbs).reduce((sum, x) => sum + x, 0)
const scoreOf = (logProbs: ArrayLike<number>): ResponseLogProb => ({ sum: sumOf(logProbs), count: logProbs.length })

export interface HeldOutReference {
  readonly ids: string[]
  readonly pairs: ScoredPair[]
}

/** Adds ids and reference scores of a shard's held-out pairs, in its order. The shard must carry reference log-probs. */
export const addHeldOut = (reference: HeldOutReference, shard: PackShard): void => {
  for (let index = 0; index < shard.pairCount; index++) {
    const { id, split, referenceLogProbs } = shardPair(shard, index)
    if (split !== "held-out" || referenceLogProbs === undefined) continue
    reference.ids.push(id)
    reference.pairs.push({ chosen: scoreOf(referenceLogProbs.chosen), rejected: scoreOf(referenceLogProbs.rejected) })
  }
}

/**
 * Drift from the reference, nats per token: mean over held-out response tokens of k3 = r − 1 − ln r, r = e^d, d = log-ratio of
 * policy to reference (Schulman, "Approximating KL Divergence", 2020). k3 is never negative, unlike the plain mean of d, in which
 * chosen responses pushed up hide rejected ones pushed down. Two limits: the responses are the labellers', sampled from neither
 * model, so this is an estimate of no KL exactly; and an evaluation carries sums, so d is a response's mean per token, which by
 * convexity gives a lower bound of the mean over single tokens.
 */
const driftPerToken = (policy: readonly ResponseLogProb[], reference: readonly ResponseLogProb[]): number => {
  let total = 0
  let tokens = 0
  policy.forEach((response, index) => {
    const d = meanLogProb(response) - meanLogProb(reference[index]!)
    total += response.count * (Math.expm1(d) - d)
    tokens += response.count
  })
  return total / tokens
}

const responses = (pairs: readonly ScoredPair[]): ResponseLogProb[] =>
  pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])

const isFiniteScore = ({ sum }: ResponseLogProb): boolean => Number.isFinite(sum)

/** Says how an evaluation does not fit the pack, or undefined. */
export const evaluationFault = (evaluation: Evaluation, reference: HeldOutReference): string | undefined => {
  const { pairIds, chosen, rejected } = evaluation
  const { ids, pairs } = reference
  if (ids.length === 0) return "the pack holds no held-out pairs with reference log-probs"
  if (pairIds.length !== ids.length || chosen.length !== ids.length || rejected.length !== ids.length)
    return `it has ${pairIds.length} pairs (${chosen.length} chosen, ${rejected.length} rejected) and the pack holds out ${ids.length}`
  const stranger = ids.findIndex((id, index) => pairIds[index] !== id)
  if (stranger >= 0) return `pair ${stranger} is ${pairIds[stranger]} and the pack's is ${ids[stranger]}`
  const other = pairs.findIndex(
    (pair, index) => chosen[index]!.count !== pair.chosen.count || rejected[index]!.count !== pair.rejected.count,
  )
  return other >= 0 ? `pair ${ids[other]} has another number of response tokens than in the pack` : undefined
}

/** Accuracies of the pairs whose prompts are new; nothing where all are, or none is. */
const withoutNear = (
  isNearDuplicate: readonly boolean[],
  policy: readonly ScoredPair[],
  reference: readonly ScoredPair[],
): Pick<Evaluated, "nearDuplicates" | "withoutNearDuplicates"> => {
  const others = (pairs: readonly ScoredPair[]) => pairs.filter((_, index) => !isNearDuplicate[index])
  const pairs = others(policy).length
  const nearDuplicates = policy.length - pairs
  if (nearDuplicates === 0 || pairs === 0) return { nearDuplicates }
  const [accuracy, baseAccuracy] = [others(policy), others(reference)].map((some) => pairAccuracy(some).accuracy)
  return { nearDuplicates, withoutNearDuplicates: { baseAccuracy: baseAccuracy!, accuracy: accuracy!, pairs } }
}

/**
 * Accuracies of base and adapter with the adapter's interval, of all pairs and of those whose prompts are new, and its drift.
 * Undefined when not one log-prob is finite.
 */
export const measure = (
  evaluation: Evaluation,
  { pairs: reference }: Pick<HeldOutReference, "pairs">,
): Evaluated | undefined => {
  const pairs = reference.map((_, index) => ({
    chosen: evaluation.chosen[index]!,
    rejected: evaluation.rejected[index]!,
  }))
  const policyResponses = responses(pairs)
  const finite = policyResponses.map(isFiniteScore)
  const keep = (all: readonly ResponseLogProb[]) => all.filter((_, index) => finite[index])
  const nonFinite = finite.filter((isKept) => !isKept).length
  if (nonFinite === policyResponses.length) return undefined
  // A pair with a log-prob that is not finite compares as neither greater nor equal: it counts as wrong.
  const { accuracy, low, high, pairs: count } = pairAccuracy(pairs)
  const drift = driftPerToken(keep(policyResponses), keep(responses(reference)))
  return {
    baseAccuracy: pairAccuracy(reference).accuracy,
    accuracy,
    accuracyLow: low,
    accuracyHigh: high,
    driftPerToken: Number.isFinite(drift) ? drift : Number.MAX_VALUE,
    pairs: count,
    nonFinite,
    ...withoutNear(evaluation.isNearDuplicate, pairs, reference),
  }
}

/** What the gates go by: the pairs whose prompts nearly repeat no trained one, or all where that leaves none. */
export const judgedOn = (evaluated: Evaluated): { readonly baseAccuracy: number; readonly accuracy: number } =>
  evaluated.withoutNearDuplicates ?? evaluated
