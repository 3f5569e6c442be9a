// Turns what a judge gave for everybody's answers into win rates, and stores them as a blob: log-probs of a model of the registry, or verdicts of an
// endpoint. Large blobs are read one after the other: of answers their lengths alone are kept.
import { Effect } from "effect"
import { isEndpoint, type LocalJudge, rewardRuleOf } from "#shared/domain/EvaluationSettings.ts"
import type { JudgeAccuracy, WinRate } from "#shared/domain/WinRate.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { type AnswerWinRate, answerWinRate, winRateOfValues } from "#shared/evaluation/judge/answer-win-rate.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { readSuite } from "#shared/judgement/sources/prompt-suite.ts"
import { decodeAnswerScores } from "#shared/wire/answer-scores.ts"
import { decodeAskedVerdicts } from "#shared/wire/asked-verdicts.ts"
import type { AskResult, JobResult, JudgeResult } from "#shared/wire/job.ts"
import { decodeResponses } from "#shared/wire/responses.ts"
import { askedAccuracy, valuedPrompts } from "#shared/workflows/asked-answers.ts"
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

const counted = (count: () => AnswerWinRate) =>
  Effect.try({
    try: count,
    catch: (cause) => cause,
  }).pipe(
    Effect.catch((cause) =>
      cause instanceof TooLittleJudged ? Effect.fail(unusable(cause.message)) : Effect.die(cause),
    ),
  )

interface Counted {
  /** The blob that they are counted from. */
  readonly scores: string
  readonly prompts: number
  readonly winRates: readonly WinRate[]
  readonly judgeAccuracy: JudgeAccuracy | undefined
}

/** Of a judge of the registry, by its log-probs. */
const ofLogProbs = Effect.fnUntraced(function* (
  comparison: Comparison,
  named: LocalJudge,
  { responses }: Generated,
  result: JudgeResult,
) {
  const { rule } = rewardRuleOf(named)
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
    winRates.push({ against: opponent.model!, ...(yield* counted(() => answerWinRate(prompts, rule))) })
  }
  const judgeAccuracy = judgeAccuracyOn(suite, scores, rule)
  return { scores: result.scores, prompts: suite.length, winRates, judgeAccuracy } satisfies Counted
})

/** Of a judge behind an endpoint, by its raw answers. */
const ofVerdicts = Effect.fnUntraced(function* (comparison: Comparison, judge: string, { verdicts }: AskResult) {
  const suite = yield* read("the suite", comparison.prompts, readSuite)
  const { asked, ledger } = yield* read("what the judge said", verdicts, (bytes) => decodeAskedVerdicts(bytes, judge))
  const winRates: WinRate[] = []
  for (const opponent of comparison.against) {
    const name = contestantName(opponent)
    const run = asked.get(name)
    const prompts = run && valuedPrompts(suite, run, ledger)
    if (prompts === undefined)
      return yield* unusable(`what the judge was asked about ${name} is not of the suite's prompts; update the runner`)
    winRates.push({ against: opponent.model!, ...(yield* counted(() => winRateOfValues(prompts))) })
  }
  const people = asked.get(null)
  const judgeAccuracy = people && askedAccuracy(people, ledger)
  return { scores: verdicts, prompts: suite.length, winRates, judgeAccuracy } satisfies Counted
})

const ofAnother = (wanted: string, { kind }: JobResult) =>
  unusable(`the runner answered a job to ${wanted} with ${kind}; update the runner`)

const countedFrom = (comparison: Comparison, generated: Generated, result: JobResult) => {
  const { named } = comparison.judge
  if (isEndpoint(named))
    return result.kind === "ask" ? ofVerdicts(comparison, named.model, result) : Effect.fail(ofAnother("ask", result))
  return result.kind === "judge"
    ? ofLogProbs(comparison, named, generated, result)
    : Effect.fail(ofAnother("judge", result))
}

/** The candidate's win rates against each of the others. */
export const winRatesOf = Effect.fn("winRatesOf")(function* (
  comparison: Comparison,
  generated: Generated,
  result: JobResult,
) {
  const { scores, prompts, winRates, judgeAccuracy } = yield* countedFrom(comparison, generated, result)
  const found = { winRates, ...(judgeAccuracy === undefined ? {} : { judgeAccuracy }) }
  const report = yield* putBlob(reportBytes(comparison, { responses: generated.responses, scores, ...found }))
  return { scores, report, prompts, ...found } satisfies Judged
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
