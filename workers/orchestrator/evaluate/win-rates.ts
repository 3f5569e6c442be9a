// Turns a judge's log-probs of everybody's answers into win rates, and stores them as a blob. Large blobs are read one after the other: of answers their
// lengths alone are kept.
import { Effect } from "effect"
import { rewardRuleOf } from "#shared/domain/EvaluationSettings.ts"
import type { WinRate } from "#shared/domain/WinRate.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { answerWinRate, type ComparedPrompt } from "#shared/evaluation/judge/answer-win-rate.ts"
import type { RewardRule } from "#shared/evaluation/judge/implicit-reward.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { readSuite } from "#shared/judgement/sources/prompt-suite.ts"
import { decodeAnswerScores } from "#shared/wire/answer-scores.ts"
import type { JobResult } from "#shared/wire/job.ts"
import { decodeResponses } from "#shared/wire/responses.ts"
import { type Comparison, contestantName } from "#shared/workflows/comparison.ts"
import type { Generated, Judged } from "#shared/workflows/evaluate.ts"
import { judgeAccuracyOn, judgedAnswers, lengthsOf } from "#shared/workflows/judged-answers.ts"
import { ResultUnusable } from "#shared/workflows/retrain.ts"
import { findBlob, putBlob } from "../retrain/blobs.ts"

const unusable = (message: string) => new ResultUnusable({ message })

/** What a blob holds, or why it cannot be used. */
const read = Effect.fnUntraced(function* <A>(what: string, digest: string, decode: (bytes: Uint8Array) => A) {
  const bytes = yield* findBlob(digest)
  if (bytes === undefined) return yield* unusable(`${what} (blob ${digest}) is not stored any more; start it again`)
  return yield* Effect.try({
    try: () => decode(bytes),
    catch: (cause) => unusable(`${what} cannot be used: ${(cause as Error).message}`),
  })
})

const winRateOf = (prompts: readonly ComparedPrompt[], rule: RewardRule) =>
  Effect.try({
    try: () => answerWinRate(prompts, rule),
    catch: (cause) => cause,
  }).pipe(
    Effect.catch((cause) =>
      cause instanceof TooLittleJudged ? Effect.fail(unusable(cause.message)) : Effect.die(cause),
    ),
  )

/** The candidate's win rates against each of the others. */
export const winRatesOf = Effect.fn("winRatesOf")(function* (
  comparison: Comparison,
  { responses }: Generated,
  result: JobResult,
) {
  if (result.kind !== "judge")
    return yield* unusable(`the runner answered a judge job with ${result.kind}; update the runner`)
  const { rule } = rewardRuleOf(comparison.judge.named)
  const suite = yield* read("the suite", comparison.prompts, readSuite)
  const scores = yield* read("what the judge gave", result.scores, decodeAnswerScores)
  if (scores.length !== suite.length || suite.some(({ id }, index) => scores[index]!.id !== id))
    return yield* unusable("what the judge gave is not of the suite's prompts; update the runner")
  const answers = Effect.fnUntraced(function* (name: string) {
    const lengths = yield* read(`the responses of ${name}`, responses[name]!, (bytes) =>
      lengthsOf(decodeResponses(bytes)),
    )
    const found = judgedAnswers(name, suite, scores, lengths)
    return (
      found ??
      (yield* unusable(`the responses of ${name}, or their scores, are not of the suite's prompts; update the runner`))
    )
  })
  const candidate = yield* answers(contestantName(comparison.candidate))
  const winRates: WinRate[] = []
  for (const opponent of comparison.against) {
    const against = yield* answers(contestantName(opponent))
    const prompts = suite.map(({ groups }, index) => ({
      groups,
      candidate: candidate[index]!,
      against: against[index]!,
    }))
    winRates.push({ against: opponent.model!, ...(yield* winRateOf(prompts, rule)) })
  }
  const judgeAccuracy = judgeAccuracyOn(suite, scores, rule)
  const found = { winRates, ...(judgeAccuracy === undefined ? {} : { judgeAccuracy }) }
  const report = yield* putBlob(reportBytes(comparison, { responses, scores: result.scores, ...found }))
  return { scores: result.scores, report, prompts: suite.length, ...found } satisfies Judged
})

/** The numbers with all that they are of, so that the blob's name stands for both. */
const reportBytes = (
  { candidate, prompts, answering, judge }: Comparison,
  found: Generated & Pick<Judged, "scores" | "winRates" | "judgeAccuracy">,
): Uint8Array<ArrayBuffer> => {
  const of = { model: contestantName(candidate), prompts, answering, judge: judge.named }
  return new TextEncoder().encode(
    canonicalJson({ format: "yohaku-evaluation-report", version: 1, ...of, ...found }),
  ) as Uint8Array<ArrayBuffer>
}
