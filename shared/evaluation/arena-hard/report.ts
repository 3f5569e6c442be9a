// Scores of one or several models against Arena-Hard's baseline, each with its interval and what it rests on.
import { pairedDifference } from "../statistics/paired-difference.ts"
import type { Resampling } from "../statistics/resampling.ts"
import { type Battles, battlesOf, type JudgedQuestion, tallyOf } from "./battles.ts"
import { CONFIDENCE, type Mode, type Scored } from "./interval.ts"
import { type BaselineStyles, styleControlled } from "./style-control.ts"
import type { Control } from "./style-features.ts"
import type { Version } from "./verdict.ts"
import { winRate } from "./win-rate.ts"

export interface ArenaHardReport extends Scored {
  /** What was drawn again for low and high. */
  readonly mode: Mode
  /** The share of draws between low and high. */
  readonly confidence: number
  /** null: the score is the share of games. */
  readonly control: Control | null
  /** Share of the games won, per cent: the score without control. */
  readonly win_rate: number
  readonly n_questions: number
  /** A strong verdict counts thrice. */
  readonly n_games_weighted: number
  /** Games without a verdict, and those that fell with one. */
  readonly n_games_dropped: number
  /** Share of the games less that of the first model, on the questions of both, per cent; of several models without control. */
  readonly difference?: { readonly from: string; readonly score: number; readonly low: number; readonly high: number }
  /** What one deviation of a style difference adds to the logarithm of odds, of all models together. */
  readonly style?: Readonly<Record<string, number>>
}

export interface ArenaHardOptions {
  readonly version: Version
  /** Both or none: what is held equal, and the baseline's styles. */
  readonly control?: { readonly of: Control; readonly baseline: BaselineStyles } | undefined
  readonly mode: Mode
  /** New for each model without control, so that its interval does not depend on which files stand beside it. */
  readonly resampling: (() => Resampling) | undefined
}

/** By model, in the order given. Throws UnusableJudgements, TooLittleJudged, FitNotReached. */
export function arenaHardReport(
  models: ReadonlyMap<string, readonly JudgedQuestion[]>,
  { version, control, mode, resampling }: ArenaHardOptions,
): Map<string, ArenaHardReport> {
  const battles = new Map([...models].map(([model, questions]) => [model, battlesOf(questions, version)]))
  const raw = new Map(
    [...battles].map(([model, each]) => [model, winRate(each, version, mode, control ? undefined : resampling?.())]),
  )
  const controlled =
    control &&
    styleControlled(battles, control.baseline, { version, control: control.of, mode, resampling: resampling?.() })
  const [first] = battles.keys()
  const differenceOf = (model: string) =>
    resampling && !control && model !== first && differenceFrom(first!, model, battles, resampling())
  const reported = (model: string, each: Battles): ArenaHardReport => {
    const difference = differenceOf(model)
    return {
      ...(controlled?.scores ?? raw).get(model)!,
      mode,
      confidence: CONFIDENCE[version],
      control: control?.of ?? null,
      win_rate: raw.get(model)!.score,
      n_questions: each.battles.length,
      n_games_weighted: tallyOf(each.battles.flatMap(({ plays }) => plays)).weight,
      n_games_dropped: each.droppedGames,
      ...(difference && { difference }),
      ...(controlled && { style: controlled.coefficients }),
    }
  }
  return new Map([...battles].map(([model, each]) => [model, reported(model, each)]))
}

/** Questions are drawn for both at once, so that what they share cancels; undefined where they share none. */
function differenceFrom(
  from: string,
  model: string,
  battles: ReadonlyMap<string, Battles>,
  resampling: Resampling,
): ArenaHardReport["difference"] {
  const scoresOf = (name: string) =>
    new Map(
      battles.get(name)!.battles.map(({ question, plays }) => {
        const { wins, weight } = tallyOf(plays)
        return [question, { total: wins, weight }] as const
      }),
    )
  const [own, others] = [scoresOf(model), scoresOf(from)]
  if (![...own.keys()].some((question) => others.has(question))) return undefined
  const { difference, low, high } = pairedDifference(own, others, resampling)
  return { from, score: 100 * difference, low: 100 * low, high: 100 * high }
}
