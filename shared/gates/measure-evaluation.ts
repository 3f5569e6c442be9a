// All that one evaluation tells of a policy beside its base, by measurement. What of the answers and probes was not told is not there: who
// judges says why.
import { measureAnswers } from "./answer-measurements.ts"
import type { Behaviour } from "./behaviour.ts"
import type { Measured, MeasurementName } from "./measurements.ts"
import {
  type ComparedPairs,
  chosenChange,
  driftOf,
  gainOverBase,
  ofOldPairs,
  shortChosenGain,
  worstGain,
} from "./pair-measurements.ts"
import { measureProbes } from "./probe-measurements.ts"
import type { Script } from "./script.ts"

export interface EvaluatedPairs extends ComparedPairs {
  /** Of each pair, the work setting that it is from, where that is known. */
  readonly settings: readonly (string | undefined)[]
  /** Of each pair, its prompt's writing system; absent where no behaviour was told. */
  readonly scripts?: readonly Script[] | undefined
  /** Of each pair, whether an earlier run had it; absent where nobody looked. */
  readonly isOld?: readonly boolean[] | undefined
  /** Of each pair, whether accuracies count it: its prompt nearly repeats no trained one, or all do. */
  readonly isCounted: readonly boolean[]
  readonly behaviour?: Behaviour | undefined
}

const counted = ({ policy, base, settings, scripts, isOld = [], isCounted }: EvaluatedPairs) => {
  const keep = <Item>(items: readonly Item[]) => items.filter((_, index) => isCounted[index])
  return {
    policy: keep(policy),
    base: keep(base),
    settings: keep(settings),
    scripts: scripts && keep(scripts),
    isOld: keep(isOld),
  }
}

type OfPairs = Readonly<Partial<Record<MeasurementName, Measured | undefined>>>

const known = (entries: readonly (readonly [string, Measured | undefined])[]): Readonly<Record<string, Measured>> =>
  Object.fromEntries(entries.filter((entry): entry is [string, Measured] => entry[1] !== undefined))

export const measureEvaluation = (evaluated: EvaluatedPairs): Readonly<Record<string, Measured>> => {
  const { behaviour, ...pairs } = evaluated
  const judged = counted(evaluated)
  const drift = driftOf(pairs)
  const nothing: Measured = { missing: "not one held-out log-prob is finite" }
  const of: OfPairs = {
    "gain-over-base": gainOverBase(judged),
    "short-chosen-gain": shortChosenGain(judged),
    "worst-setting-gain": worstGain(judged, judged.settings),
    "worst-language-gain": judged.scripts && worstGain(judged, judged.scripts),
    "old-pairs-gain": ofOldPairs(judged, judged.isOld, gainOverBase),
    drift: drift ? { value: drift.perToken } : nothing,
    "drift-per-response": drift ? { value: drift.perResponse } : nothing,
    "chosen-change": chosenChange(pairs),
  }
  const told = behaviour === undefined ? [] : [...measureAnswers(behaviour), ...measureProbes(behaviour.probes)]
  return known([...Object.entries(of), ...told])
}

/** The same pairs beside what production serves, which stands in the base's place. */
export const measureLeads = (evaluated: Omit<EvaluatedPairs, "behaviour">): Readonly<Record<string, Measured>> => {
  const judged = counted(evaluated)
  const of: OfPairs = {
    "lead-over-production": gainOverBase(judged),
    "worst-setting-lead": worstGain(judged, judged.settings),
    "worst-language-lead": judged.scripts && worstGain(judged, judged.scripts),
    "old-pairs-lead": ofOldPairs(judged, judged.isOld, gainOverBase),
    "old-pairs-change": ofOldPairs(judged, judged.isOld, chosenChange),
  }
  return known(Object.entries(of))
}
