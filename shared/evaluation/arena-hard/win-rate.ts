// The score of one model without control: the share of its games against the baseline that it wins, and its interval. With the baseline in every
// game this share is the Bradley-Terry estimate itself (the likelihood's derivative is Σ w·(s − p)), so that nothing is fitted.
import { TooLittleJudged } from "../evaluation-error.ts"
import { type Cluster, drawnMeans, type Resampling } from "../statistics/resampling.ts"
import { type Battles, tallyOf } from "./battles.ts"
import { intervalOf, type Mode, type Scored } from "./interval.ts"
import type { Version } from "./verdict.ts"

/** Per cent. Throws TooLittleJudged where no game counts. */
export function winRate(
  { battles }: Battles,
  version: Version,
  mode: Mode,
  resampling: Resampling | undefined,
): Scored {
  if (battles.length === 0) throw new TooLittleJudged("holds no game with a verdict; judge some answers first")
  const { wins, weight } = tallyOf(battles.flatMap(({ plays }) => plays))
  const score = (100 * wins) / weight
  if (resampling === undefined) return { score }
  const drawn = mode === "cluster" ? drawnMeans(battles.map(questionOf), resampling) : drawnRows(battles, resampling)
  return { score, ...intervalOf(drawn, version) }
}

/** A question with all its games. */
function questionOf({ plays }: Battles["battles"][number]): Cluster {
  const { wins: sum, weight } = tallyOf(plays)
  return { sum, weight }
}

/** Shares of rounds in which rows are drawn, of which a strong verdict has three. */
function drawnRows(battles: Battles["battles"], { rounds, random }: Resampling): Float64Array {
  const rows = Float64Array.from(
    battles.flatMap(({ plays }) => plays.flatMap(({ weight, score }) => Array<number>(weight).fill(score))),
  )
  return Float64Array.from({ length: rounds }, () => {
    let wins = 0
    for (let draw = 0; draw < rows.length; draw++) wins += rows[Math.floor(random() * rows.length)]!
    return wins / rows.length
  })
}
