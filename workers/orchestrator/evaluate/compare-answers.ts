// Answers and what a judge says of them, as steps of whichever workflow asks: a generate job for each base that contestants answer over, then one
// judge job, then the win rates. Step names begin with what the caller gives, so that one execution may compare several times.
import { Effect } from "effect"
import { Activity } from "effect/workflow"
import { rewardRuleOf } from "#shared/domain/EvaluationSettings.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import type { AskJob, GenerateJob, JobResult, JudgeJob } from "#shared/wire/job.ts"
import { type Comparison, type Contestant, contestantName } from "#shared/workflows/comparison.ts"
import { EvaluateActivities, type Generated, type Judged } from "#shared/workflows/evaluate.ts"
import { ResultUnusable, type RetrainPayload } from "#shared/workflows/retrain.ts"
import { awaitJob, postJob } from "../retrain/jobs.ts"
import { winRatesOf } from "./win-rates.ts"

export interface Steps {
  /** The execution's id. */
  readonly runId: string
  /** Before the names of its steps: "" or what ends with a hyphen. */
  readonly prefix: string
  readonly limits: RetrainPayload["limits"]
}

/** Those that answer in one batch: over one base, held alike; what does not say how it is held is held as it is stored. */
const batches = ({ candidate, against }: Comparison): readonly (readonly [Contestant, ...Contestant[]])[] =>
  [
    ...Map.groupBy([candidate, ...against], ({ base, baseSource, baseWeights }) =>
      canonicalJson({ base, baseSource: baseSource ?? null, baseWeights: baseWeights ?? "stored" }),
    ).values(),
  ] as [Contestant, ...Contestant[]][]

const generateJob = (
  runId: string,
  { prompts, answering }: Comparison,
  contestants: readonly [Contestant, ...Contestant[]],
): GenerateJob => {
  const [{ base, baseSource, baseWeights }] = contestants
  const voiceOf = (contestant: Contestant) => {
    const { adapter } = contestant
    return { name: contestantName(contestant), ...(adapter === undefined ? {} : { adapter }) }
  }
  const [first, ...others] = contestants
  return {
    ...{ kind: "generate", runId, base, prompts, answering, voices: [voiceOf(first), ...others.map(voiceOf)] },
    ...(baseSource === undefined ? {} : { baseSource }),
    ...(baseWeights === undefined ? {} : { baseWeights }),
  }
}

const judgeJob = (
  runId: string,
  { candidate, prompts, judge }: Comparison,
  { responses }: Generated,
): JudgeJob | AskJob => {
  if (!("base" in judge))
    return { kind: "ask", runId, judge: judge.named, prompts, candidate: contestantName(candidate), responses }
  const { named, ...pinned } = judge
  return { kind: "judge", runId, ...pinned, readsReference: rewardRuleOf(named).readsReference, prompts, responses }
}

const unusable = (message: string) => new ResultUnusable({ message: `${message}; update the runner` })

/** Every contestant's answers. */
const acceptGenerated = Effect.fn("acceptGenerated")(function* (
  comparison: Comparison,
  results: readonly JobResult[],
  note: (generated: Generated) => Effect.Effect<void>,
) {
  const responses: Record<string, string> = {}
  for (const result of results) {
    if (result.kind !== "generate") return yield* unusable(`the runner answered a generate job with ${result.kind}`)
    Object.assign(responses, result.responses)
  }
  const names = [comparison.candidate, ...comparison.against].map(contestantName)
  const lacking = names.find((name) => !Object.hasOwn(responses, name))
  if (lacking !== undefined) return yield* unusable(`the runner gave no responses of ${lacking}`)
  const generated = { responses: Object.fromEntries(names.map((name) => [name, responses[name]!])) }
  yield* note(generated)
  return generated
})

/** What each step tells the execution's row. */
export interface Notes {
  readonly generated: (generated: Generated) => Effect.Effect<void>
  readonly judged: (judged: Judged) => Effect.Effect<void>
}

/** Answers, judges, counts. Fails with JobFailed, ResultUnusable. */
export const compareAnswers = Effect.fnUntraced(function* (
  comparison: Comparison,
  { runId, prefix, limits }: Steps,
  notes: Notes,
) {
  const jobs = batches(comparison).map((contestants, index) => {
    return { name: `${prefix}generate-${index}`, job: generateJob(runId, comparison, contestants) }
  })
  // All are posted before one is awaited, so that several runners may answer side by side.
  for (const { name, job } of jobs) yield* postJob(runId, name, job, limits)
  const results: JobResult[] = []
  for (const { name } of jobs) results.push(yield* awaitJob(name))
  const generated = yield* Activity.make({
    name: `${prefix}generate`,
    ...EvaluateActivities.generate,
    execute: acceptGenerated(comparison, results, notes.generated),
  })
  const name = `${prefix}judge`
  yield* postJob(runId, name, judgeJob(runId, comparison, generated), limits)
  const result = yield* awaitJob(name)
  const judged = yield* Activity.make({
    name,
    ...EvaluateActivities.judge,
    execute: Effect.tap(winRatesOf(comparison, generated, result), notes.judged),
  })
  return { generated, judged }
})
