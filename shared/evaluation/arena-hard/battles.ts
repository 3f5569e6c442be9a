// The games of one model against the baseline that count, question by question. Questions come in the order of their names, so that nothing
// computed from them depends on the order of a file.
import { type Play, playOf, type Verdict, type Version } from "./verdict.ts"

/** Counts of a text's style: tokens, headers, list items, bold passages. */
export type StyleCounts = readonly [tokens: number, headers: number, lists: number, bold: number]

export interface JudgedQuestion {
  readonly question: string
  /** Of the first game, in which A is the baseline, and of the second, in which A is the model; undefined where there is no verdict. */
  readonly verdicts: readonly (Verdict | undefined)[]
  /** Of the model's answer, where it is known. */
  readonly style: StyleCounts | undefined
}

/** A question that counts, with its one or two games. */
export interface Battle {
  readonly question: string
  readonly plays: readonly Play[]
  readonly style: StyleCounts | undefined
}

export interface Battles {
  readonly battles: readonly Battle[]
  /** Games without a verdict, and, in v2.0, the other game of their question. */
  readonly droppedGames: number
}

/** v0.1 drops a game without a verdict alone, v2.0 its whole question: also one that was played once. */
export function battlesOf(questions: readonly JudgedQuestion[], version: Version): Battles {
  let droppedGames = 0
  const battles = questions.flatMap(({ question, verdicts, style }) => {
    const plays = verdicts.flatMap((verdict, game) => (verdict === undefined ? [] : [playOf(verdict, game)]))
    const isWhole = verdicts.length === GAMES && plays.length === GAMES
    const counted = version === "0.1" || isWhole ? plays : []
    droppedGames += GAMES - counted.length
    return counted.length === 0 ? [] : [{ question, plays: counted, style }]
  })
  return { battles: battles.toSorted((a, b) => (a.question < b.question ? -1 : 1)), droppedGames }
}

/** Of a question: each side is shown first once. */
export const GAMES = 2

/** Σ w·s and Σ w of some games. */
export interface Tally {
  readonly wins: number
  readonly weight: number
}

/** Exact: halves and small whole numbers. */
export function tallyOf(plays: readonly Play[]): Tally {
  return plays.reduce((sum, { weight, score }) => ({ wins: sum.wins + weight * score, weight: sum.weight + weight }), {
    wins: 0,
    weight: 0,
  })
}
