// A job's prompts on this machine, and the responses to them.
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import type { Answering } from "#shared/domain/EvaluationSettings.ts"
import { InvalidSuite, readSuite, type SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import { type Answers, decodeResponses, InvalidResponses } from "#shared/wire/responses.ts"
import { faultOfSuite } from "#shared/wire/suite-bounds.ts"
import { cachedBlob, type FileStore } from "./blob-cache.ts"
import { attempt, JobFailed } from "./job-failure.ts"

const unusable = (message: string, cause?: unknown) => new JobFailed(message, { retryable: false, cause })

/** Why a prompt of the suite cannot be answered, or judged. */
export const faultOfPrompt = ({ line }: Pick<SuitePrompt, "line">, fault: string): JobFailed =>
  unusable(`the suite's line ${line}: ${fault}`)

/** The suite's prompts. Fails with JobFailed where it cannot be read, or is larger than one may be. */
export const cachedSuite = Effect.fn("cachedSuite")(function* (
  directory: string,
  digest: string,
  answering?: Answering,
) {
  const file = yield* whenReachable(cachedBlob(directory, digest, "the prompts"))
  const prompts = yield* attempt(async () => {
    try {
      return readSuite(readFileSync(file))
    } catch (cause) {
      throw cause instanceof InvalidSuite ? unusable(`the suite cannot be used: ${cause.message}`, cause) : cause
    }
  })
  const fault = faultOfSuite(prompts.length, answering)
  return fault === undefined ? prompts : yield* Effect.fail(unusable(fault))
})

/** Somebody's responses, to each of the prompts in their order. */
export const cachedResponses = Effect.fn("cachedResponses")(function* (
  directory: string,
  { name, digest }: { readonly name: string; readonly digest: string },
  prompts: readonly SuitePrompt[],
) {
  const file = yield* whenReachable(cachedBlob(directory, digest, `the responses of ${name}`))
  const answers = yield* attempt(async (): Promise<readonly Answers[]> => {
    try {
      return decodeResponses(readFileSync(file))
    } catch (cause) {
      throw cause instanceof InvalidResponses ? unusable(`the responses of ${name}: ${cause.message}`, cause) : cause
    }
  })
  const isOf = ({ id }: SuitePrompt, index: number) => answers[index]?.id === id
  return answers.length === prompts.length && prompts.every(isOf)
    ? answers
    : yield* Effect.fail(unusable(`the responses of ${name} are not those to the suite's prompts`))
})

/** A job's suite, and everybody's responses to it by their names: as many of each to a prompt. */
export const judgedResponses = Effect.fnUntraced(function* (
  { directory }: Pick<FileStore, "directory">,
  spec: { readonly prompts: string; readonly responses: Readonly<Record<string, string>> },
) {
  const prompts = yield* cachedSuite(directory, spec.prompts)
  const responses = new Map<string, readonly Answers[]>()
  for (const [name, digest] of Object.entries(spec.responses))
    responses.set(name, yield* cachedResponses(directory, { name, digest }, prompts))
  return { prompts, responses }
})
