// Held-out numbers of an adapter from its evaluation and the run's pack. Pure, f64, nats.
import { measureEvaluation, measureLeads } from "#shared/gates/measure-evaluation.ts"
import { driftOf } from "#shared/gates/pair-measurements.ts"
import { pairAccuracy, type ScoredPair } from "#shared/methods/accuracy.ts"
import type { ResponseLogProb } from "#shared/methods/pair-log-probs.ts"
import type { Evaluation } from "#shared/wire/evaluation.ts"
import { type PackShard, shardPair } from "#shared/wire/pack-shard.ts"
import type { Evaluated, Leads } from "#shared/workflows/retrain.ts"

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

const scoredPairs = ({ chosen, rejected }: Evaluation): ScoredPair[] =>
  chosen.map((score, index) => ({ chosen: score, rejected: rejected[index]! }))

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

/** Work settings of held-out pairs, by the pair's id. */
export type Settings = ReadonlyMap<string, string>
/** Ids of held-out pairs that an earlier run had too. */
export type OldPairs = ReadonlySet<string>

/**
 * Accuracies of base and adapter with the adapter's interval, of all pairs and of those whose prompts are new, its drift, and what else gates
 * ask about. Undefined when not one log-prob is finite.
 */
export const measure = (
  evaluation: Evaluation,
  { pairs: reference }: Pick<HeldOutReference, "pairs">,
  settings: Settings = new Map(),
  old: OldPairs = new Set(),
): Evaluated | undefined => {
  const pairs = scoredPairs(evaluation)
  const nonFinite = responses(pairs).filter((response) => !isFiniteScore(response)).length
  const drift = driftOf({ policy: pairs, base: reference })
  if (drift === undefined) return undefined
  // A pair with a log-prob that is not finite compares as neither greater nor equal: it counts as wrong.
  const { accuracy, low, high, pairs: count } = pairAccuracy(pairs)
  return {
    baseAccuracy: pairAccuracy(reference).accuracy,
    accuracy,
    accuracyLow: low,
    accuracyHigh: high,
    driftPerToken: drift.perToken,
    pairs: count,
    nonFinite,
    ...withoutNear(evaluation.isNearDuplicate, pairs, reference),
    measurements: measureEvaluation({
      ...{ policy: pairs, base: reference, behaviour: evaluation.behaviour, scripts: evaluation.promptScripts },
      settings: evaluation.pairIds.map((id) => settings.get(id)),
      isOld: evaluation.pairIds.map((id) => old.has(id)),
      isCounted: countedPairs(evaluation.isNearDuplicate),
    }),
  }
}

/** Of one evaluation and that of what production serves, by the same pairs in the same order. */
export const leadsOf = (
  candidate: Evaluation,
  production: Evaluation,
  { settings, old }: { readonly settings: Settings; readonly old: OldPairs },
): Leads => {
  const isCounted = countedPairs(candidate.isNearDuplicate)
  const [policy, base] = [scoredPairs(candidate), scoredPairs(production)]
  return {
    accuracy: pairAccuracy(base.filter((_, index) => isCounted[index])).accuracy,
    measurements: measureLeads({
      ...{ policy, base, isCounted, scripts: candidate.promptScripts },
      settings: candidate.pairIds.map((id) => settings.get(id)),
      isOld: candidate.pairIds.map((id) => old.has(id)),
    }),
  }
}

/** Says how production's evaluation is not of the candidate's pairs, or undefined. */
export const productionFault = (candidate: Evaluation, production: Evaluation): string | undefined =>
  evaluationFault(production, { ids: [...candidate.pairIds], pairs: scoredPairs(candidate) })

/** Pairs whose prompts are new; all where none is. */
const countedPairs = (isNearDuplicate: readonly boolean[]): readonly boolean[] => {
  const isOnlyNear = isNearDuplicate.every(Boolean)
  return isNearDuplicate.map((isNear) => isOnlyNear || !isNear)
}

/** What the gates go by: the pairs whose prompts nearly repeat no trained one, or all where that leaves none. */
export const judgedOn = (evaluated: Evaluated): { readonly baseAccuracy: number; readonly accuracy: number } =>
  evaluated.withoutNearDuplicates ?? evaluated
