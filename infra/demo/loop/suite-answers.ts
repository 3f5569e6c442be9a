// What the demo's models answer to the suite: one evaluation of the gateway's, in which the base and every adapter answer side by side and an adapter
// judges, and what the same answers come to by rules (suite-verdicts.ts).
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { call, callForText } from "#infra/local/http.ts"
import type { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import type { ModelReference } from "#shared/domain/ModelReference.ts"
import { type CheckedPrompt, readCheckedPrompts } from "#shared/evaluation/judge/work-settings.ts"
import { ANSWER_TOKENS } from "#shared/gates/behaviour.ts"
import { decodeResponses } from "#shared/wire/responses.ts"
import { finishedEvaluation, type LocalGateway } from "./runs.ts"
import {
  type CountedRate,
  countToThePoint,
  METHODS,
  type Method,
  type OfMethods,
  rateByRule,
  rateOf,
  type SuiteAnswers,
} from "./suite-verdicts.ts"

/** Of each method that ran: α-DPO always does. */
export type Adapters = Readonly<Partial<Record<Method, ModelReference>>> & { readonly alphaDpo: ModelReference }

export interface Contest {
  readonly base: ModelReference
  readonly adapters: Adapters
  /** JSON Lines of the suite. */
  readonly suiteFile: string
  /** Of the evaluation: the same key again is the same evaluation. */
  readonly key: string
}

const nameOf = ({ name, version }: ModelReference): string => `${name}@${version}`

/** DPO's reward is a log-ratio by definition. Where it was not trained another one judges; where there is no other, nothing is judged. */
const judgeOf = ({ dpo, simpo, alphaDpo }: Adapters): ModelReference => dpo ?? simpo ?? alphaDpo

const putSuite = async ({ url, operatorKey, signal }: LocalGateway, file: string): Promise<string> => {
  const bytes = new Uint8Array(readFileSync(file))
  const digest = createHash("sha256").update(bytes).digest("hex")
  await call(url, "PUT", `/v1/blobs/${digest}`, { key: operatorKey, bytes, signal })
  return digest
}

/** The base is the candidate, so that one evaluation holds all of them against it and each answers once. */
const startEvaluation = async (gateway: LocalGateway, contest: Contest): Promise<string> => {
  const { url, operatorKey, signal } = gateway
  const { base, adapters, suiteFile, key } = contest
  const body = {
    version: base.version,
    against: METHODS.flatMap((method) => adapters[method] ?? []),
    prompts: await putSuite(gateway, suiteFile),
    judge: { model: judgeOf(adapters) },
    answering: { maxTokens: ANSWER_TOKENS },
  }
  const path = `/v1/models/${encodeURIComponent(base.name)}/evaluations`
  const options = { key: operatorKey, idempotencyKey: key, signal, body }
  return (await call<{ evaluationId: string }>(url, "POST", path, options)).evaluationId
}

const answersOf = async (
  { url, operatorKey, signal }: LocalGateway,
  digest: string,
  prompts: readonly CheckedPrompt[],
): Promise<readonly string[]> => {
  const text = await callForText(url, "GET", `/v1/blobs/${digest}`, { key: operatorKey, signal })
  const answers = decodeResponses(new TextEncoder().encode(text))
  return prompts.map(({ id }, index) => {
    const answer = answers[index]
    if (String(answer?.id) !== id) throw new Error(`the answers in blob ${digest} are not those to the suite's prompts`)
    return answer!.responses[0]!.text
  })
}

const ofMethods = <A>(value: (method: Method) => A | null): OfMethods<A> =>
  Object.fromEntries(METHODS.map((method) => [method, value(method)])) as unknown as OfMethods<A>

/** The candidate was the base: what it lost, the other won. */
const judgedRate = ({ detail: { judge } }: ModelEvaluation, model: ModelReference): CountedRate => {
  const { wins, losses, ties } = judge!.winRates.find((each) => nameOf(each.against) === nameOf(model))!
  return rateOf({ wins: losses, losses: wins, ties })
}

/** Has the suite answered, waits for the end, and counts. Throws when the evaluation fails. */
export const answersToSuite = async (
  gateway: LocalGateway,
  contest: Contest,
  onChange: (evaluation: ModelEvaluation) => void,
): Promise<SuiteAnswers> => {
  const { base, adapters } = contest
  const prompts = readCheckedPrompts(readFileSync(contest.suiteFile))
  const evaluationId = await startEvaluation(gateway, contest)
  const evaluation = await finishedEvaluation(gateway, base.name, evaluationId, onChange)
  const { responses } = evaluation.detail.generate!
  const said = new Map<string, readonly string[]>()
  for (const [name, digest] of Object.entries(responses)) said.set(name, await answersOf(gateway, digest, prompts))
  const ofBase = said.get(nameOf(base))!
  const judge = judgeOf(adapters)
  const ofEach = <A>(value: (answers: readonly string[], model: ModelReference) => A | null) =>
    ofMethods((method) => {
      const model = adapters[method]
      return model === undefined ? null : value(said.get(nameOf(model))!, model)
    })
  return {
    ...{ evaluationId, prompts: prompts.length, maxTokens: ANSWER_TOKENS },
    toThePoint: {
      base: countToThePoint(prompts, ofBase),
      ...ofEach((answers) => countToThePoint(prompts, answers)),
    },
    byRule: ofEach((answers) => rateByRule(prompts, answers, ofBase)),
    byJudge: {
      judge: nameOf(judge),
      ...ofEach((_, model) => (nameOf(model) === nameOf(judge) ? null : judgedRate(evaluation, model))),
    },
  }
}
