// A runner that answers suites and judges answers without a model: what each contestant says, and how much a judge likes it, is told by texts.
import { askedPair, judgedPair, type PairToJudge } from "#shared/evaluation/judge/judged-pairs.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import { readSuite } from "#shared/judgement/sources/prompt-suite.ts"
import { encodeAnswerScores, type PromptScores } from "#shared/wire/answer-scores.ts"
import { type AskedLine, encodeAskedVerdicts } from "#shared/wire/asked-verdicts.ts"
import type { AskJob, GenerateJob, JobResult, JudgeJob, LeasedJob } from "#shared/wire/job.ts"
import { decodeResponses, responsesLine } from "#shared/wire/responses.ts"
import { pairsOfAnswers, pairsOfPeople } from "#shared/workflows/asked-answers.ts"
import { leaseAny } from "./test-runner.ts"
import { orchestrator, putBlob, readBlob, valueIn } from "./world.ts"

export interface Prompt {
  readonly id: string
  readonly prompt: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly chosen?: string
  readonly rejected?: string
}

export const putSuite = (prompts: readonly Prompt[]): Promise<string> =>
  putBlob(prompts.map((prompt) => `${JSON.stringify(prompt)}\n`).join(""))

export const suiteOf = async (digest: string): Promise<Prompt[]> =>
  new TextDecoder()
    .decode(await readBlob(digest))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

/** What a contestant says to a prompt. */
export type Says = (name: string, prompt: Prompt, index: number) => string

export const generate = async ({ prompts, voices }: GenerateJob, says: Says): Promise<JobResult> => {
  const suite = await suiteOf(prompts)
  const responses: Record<string, string> = {}
  for (const { name } of voices) {
    const lines = suite.map((prompt, index) => {
      const text = says(name, prompt, index)
      return responsesLine(prompt.id, [{ text, tokens: text.length + 1, finishReason: "stop", sumLogProb: -1 }])
    })
    responses[name] = await putBlob(lines.join(""))
  }
  return { kind: "generate", responses }
}

/** Nats by which the judge raises an answer over its base: a point for every "!". An answer without text is scored by nobody. */
const scoreOf = (text: string) => {
  if (text === "") return { unscored: "empty" }
  if (text === "?") return { unscored: "over-length" }
  const tokens = text.length + 1
  return { judge: -2 * tokens + 10 * text.split("!").length, reference: -2 * tokens, tokens }
}

export const judge = async ({ prompts, responses }: JudgeJob): Promise<JobResult> => {
  const suite = await suiteOf(prompts)
  const answers = new Map<string, readonly { readonly responses: readonly { readonly text: string }[] }[]>()
  for (const [name, digest] of Object.entries(responses)) answers.set(name, decodeResponses(await readBlob(digest)))
  const scores = suite.map(
    ({ id, chosen, rejected }, index): PromptScores => ({
      id,
      answers: Object.fromEntries(
        [...answers].map(([name, all]) => [name, all[index]!.responses.map(({ text }) => scoreOf(text))]),
      ),
      ...(chosen === undefined || rejected === undefined
        ? {}
        : { stated: { chosen: scoreOf(chosen), rejected: scoreOf(rejected) } }),
    }),
  )
  return { kind: "judge", scores: await putBlob(encodeAnswerScores(scores)) }
}

/** Verdicts of a judge behind an endpoint, which prefers the longer answer, by as much more as it is longer. */
export const ask = async ({ prompts, responses, candidate, judge: { model } }: AskJob): Promise<JobResult> => {
  const suite = readSuite(await readBlob(prompts))
  const answersOf = async (name: string) => decodeResponses(await readBlob(responses[name]!))
  const own = await answersOf(candidate)
  const protocol = PROTOCOLS["log-probs"]
  const { parameters, template } = protocol
  const asked: AskedLine[] = []
  const records = new Map<string, string>()
  const compare = async (against: string | null, pairs: readonly PairToJudge[]) => {
    const judged = await Promise.all(pairs.map((pair) => judgedPair(pair, model, { protocol, parameters, template })))
    const run = {
      suite: "alpaca-eval-2",
      protocol: protocol.name,
      judge: model,
      model: candidate,
      parameters,
      template,
    }
    asked.push({ kind: "asked", against, run: { ...run, pairs: judged.map(askedPair) } })
    for (const { questions, modelLength, baselineLength } of judged)
      for (const { key, isSwapped } of questions) {
        const gap = (isSwapped ? 1 : -1) * (modelLength - baselineLength)
        const top_logprobs = [
          { token: "m", logprob: -Math.log1p(Math.exp(-gap)) },
          { token: "M", logprob: -Math.log1p(Math.exp(gap)) },
        ]
        const response = { model, choices: [{ message: { content: "m" }, logprobs: { content: [{ top_logprobs }] } }] }
        const answer = {
          kind: "answer",
          key,
          judge: model,
          attempt: 1,
          verdict: {},
          tokens: { prompt: 9, completion: 1 },
        }
        records.set(key, JSON.stringify({ ...answer, response }))
      }
  }
  for (const name of Object.keys(responses))
    if (name !== candidate) await compare(name, pairsOfAnswers(suite, own, await answersOf(name)))
  await compare(null, pairsOfPeople(suite))
  return { kind: "ask", verdicts: await putBlob(encodeAskedVerdicts(asked, [...records.values()])) }
}

export const completeWith = async ({ jobId, fencingToken }: LeasedJob, result: JobResult) =>
  valueIn(await orchestrator.complete({ jobId, fencingToken, result }))

/** Leases the next job, which is one of answers, and does it; again where that took longer than a lease. Resolves to it. */
export const answerNext = async (says: Says): Promise<LeasedJob> => {
  for (;;) {
    const job = await leaseAny()
    const { jobId, fencingToken, spec } = job
    if (spec.kind !== "generate" && spec.kind !== "judge" && spec.kind !== "ask")
      throw new Error(`a job to ${spec.kind} came`)
    const result =
      spec.kind === "generate" ? await generate(spec, says) : spec.kind === "ask" ? await ask(spec) : await judge(spec)
    const completed = await orchestrator.complete({ jobId, fencingToken, result })
    if (completed.ok) return job
    if (completed.error._tag !== "StaleLease") throw new Error(completed.error.message)
  }
}
