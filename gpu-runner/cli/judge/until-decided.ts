// Asks a judge pair by pair until it is settled whether the model is better or worse than the baseline. The order is drawn once and is the same at every
// start, and values count in that order, not in that of the answers' arrival: quick answers may be of one kind.
import type { Unanswered } from "#gpu-runner/client/judge/ask-judge.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { afterValue, decisionOf, logEvidence, startBetting } from "#shared/evaluation/statistics/betting.ts"
import { noValues, runningInterval, withValue } from "#shared/evaluation/statistics/running-interval.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"

/** A pair of answers: its questions, if any are to be asked, and its value from 0 to 1, if there is a verdict. */
export interface ToDecide {
  readonly questions: readonly JudgeQuestion[]
  readonly value: () => number | undefined
}

export interface Decision {
  /** null: all were looked at, and no difference is shown. */
  readonly decision: "better" | "worse" | null
  /** The chance of a decision where there is no difference. */
  readonly alpha: number
  /** Pairs that were looked at until then, and pairs that there are. */
  readonly looked: number
  readonly pairs: number
  /** Logarithm to the base 10 of the evidence; a decision needs 1/alpha. */
  readonly log10_evidence: number
  /** Per cent of those looked at; low and high may be looked at any time, and are null before fifty. */
  readonly win_rate: number | null
  readonly low: number | null
  readonly high: number | null
}

/** `ask` has some questions answered; a few more than are looked at, since `atOnce` are asked at a time. What was not answered ends the asking. */
export async function askUntilDecided(
  pairs: readonly ToDecide[],
  alpha: number,
  atOnce: number,
  ask: (questions: readonly JudgeQuestion[]) => Promise<Unanswered>,
): Promise<{ readonly decision: Decision; readonly unanswered: Unanswered }> {
  const order = [...new SeededRandom(0, "order of questions").permutation(pairs.length)].map((index) => pairs[index]!)
  let unanswered: Unanswered = { refused: 0, failed: 0, beyondBudget: 0, lastReason: "" }
  let [betting, values, looked] = [startBetting(), noValues, 0]
  const decided = () => decisionOf(betting, alpha)
  for (let from = 0; from < order.length && decided() === undefined; from += atOnce) {
    const batch = order.slice(from, from + atOnce)
    unanswered = await ask(batch.flatMap(({ questions }) => questions))
    if (unanswered.failed + unanswered.beyondBudget > 0) break
    for (const { value } of batch) {
      if (decided() !== undefined) break
      looked++
      const share = value()
      if (share === undefined) continue
      betting = afterValue(betting, share)
      values = withValue(values, share)
    }
  }
  const side = decided()
  const [low, high] = runningInterval(values, { alpha }) ?? [null, null]
  const percent = (share: number | null) => (share === null ? null : 100 * Math.min(1, Math.max(0, share)))
  const decision: Decision = {
    decision: side === undefined ? null : side === "above" ? "better" : "worse",
    ...{ alpha, looked, pairs: pairs.length, log10_evidence: logEvidence(betting, "either") / Math.LN10 },
    ...{ win_rate: percent(values.count === 0 ? null : values.mean), low: percent(low), high: percent(high) },
  }
  return { decision, unanswered }
}

export function decisionText({ decision, alpha, looked, pairs, win_rate, low, high }: Decision): string {
  const answer =
    decision === null
      ? `no difference is shown after ${looked} of ${pairs} pairs`
      : `the model is ${decision} than the baseline, after ${looked} of ${pairs} pairs`
  const rate = win_rate === null ? "" : `; win rate ${win_rate.toFixed(1)} % of those`
  const interval = low === null || high === null ? "" : ` (${low.toFixed(1)} to ${high.toFixed(1)})`
  return `${answer}${rate}${interval}. Where there is no difference one is found ${100 * alpha} times in 100`
}
