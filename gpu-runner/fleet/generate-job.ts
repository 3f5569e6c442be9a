// A generate job: a base and adapters of it answer the prompts of a suite, side by side in one batch. Responses lie in the job's folder while they are
// made, so that a runner that was killed goes on behind those that are whole, and are kept at the gateway, so that another one does.
import { readFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { openResponseFile, type ResponseFile } from "#gpu-runner/data/rows/response-file.ts"
import {
  type AnsweredPrompts,
  plannedSequences,
  type ResponseOptions,
  tokenisedPrompts,
} from "#gpu-runner/generation/inputs.ts"
import { forecastGeneration, type GeneratorOptions, openGenerator } from "#gpu-runner/generation/open-generator.ts"
import { writeResponses } from "#gpu-runner/generation/write-responses.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import type { Answering } from "#shared/domain/EvaluationSettings.ts"
import type { SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import type { GenerateJob, GenerateResult } from "#shared/wire/job.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { resolvedAnswering } from "#shared/wire/suite-bounds.ts"
import { cachedFolder, cachedModelFolder } from "./blob-cache.ts"
import { cachedSuite, faultOfPrompt } from "./cached-suite.ts"
import { type JobContext, type JobExecutor, uploadArtefact } from "./job-context.ts"
import { attempt, JobFailed } from "./job-failure.ts"
import { jobFolder } from "./job-folders.ts"
import { type JobKeeping, jobKeeping } from "./job-keeping.ts"
import { KEPT_EVERY_MS, keptResponses, type VoiceFile } from "./kept-responses.ts"
import { modelAhead } from "./model-ahead.ts"

const optionsOf = (answering: Answering): ResponseOptions => {
  const { count, seed, maxTokens, stops = [], ...sampling } = resolvedAnswering(answering)
  return { count, seed, maxTokens, stops, sampling }
}

/** Everything that is answered with, of a model of which heads may be all that is known. */
interface Prepared {
  readonly inputs: AnsweredPrompts
  readonly options: ResponseOptions
  readonly generator: GeneratorOptions
  /** Of each voice's adapter; null of the base's own. */
  readonly adapters: readonly (string | null)[]
  /** Of each voice, its place among the generator's. */
  readonly places: readonly (number | undefined)[]
}

const prepare = (
  model: ModelFolder,
  suite: readonly SuitePrompt[],
  spec: GenerateJob,
  adapterDirs: readonly (string | undefined)[],
): Prepared => {
  const inputs = { model, prompts: tokenisedPrompts(model, suite, faultOfPrompt) }
  const options = optionsOf(spec.answering)
  const adapted = adapterDirs.map((folder) => (folder === undefined ? undefined : readAdapterFolder(folder, model)))
  const voices = adapted.flatMap((one) => (one === undefined ? [] : [one]))
  return {
    ...{ inputs, options },
    generator: {
      source: model,
      voices: voices.length === 0 ? undefined : voices.map(({ adapter }) => adapter),
      baseWeights: spec.baseWeights,
      sequences: plannedSequences(inputs, options, { speakers: adapted.length }),
    },
    adapters: adapted.map((one) => one?.digest ?? null),
    places: adapted.map((one) => (one === undefined ? undefined : voices.indexOf(one))),
  }
}

/** The responses of every voice, each in a file that an earlier attempt may have begun. */
const openFiles = async (
  folder: string,
  { prompts, answering, baseWeights }: GenerateJob,
  prepared: Prepared,
): Promise<VoiceFile[]> => {
  const { inputs, adapters } = prepared
  const model = await baseFingerprint(inputs.model, baseWeights ?? "stored")
  const ids = inputs.prompts.map(({ id }) => id)
  return adapters.map((adapter, index) => {
    const file = path.join(folder, `responses-${index}.jsonl`)
    const origin = { model, adapter, prompts, answering: JSON.stringify(answering) }
    return { path: file, file: openResponseFile(file, origin, ids) }
  })
}

const generate = async (
  executor: JobExecutor,
  context: JobContext,
  {
    spec,
    prepared,
    keeping,
  }: { readonly spec: GenerateJob; readonly prepared: Prepared; readonly keeping: JobKeeping },
) => {
  const { inputs, options, places } = prepared
  const opened = await openFiles(jobFolder(executor.directory, context.job.jobId), spec, prepared)
  const ids = inputs.prompts.map(({ id }) => id)
  const files = keptResponses(opened, ids, keeping)
  const steps = files.length * inputs.prompts.length
  const done = files.reduce((sum, { file }) => sum + file.done, 0)
  const speaking = files.map(({ file }, index): { voice: number | undefined; file: ResponseFile } => {
    return { voice: places[index], file }
  })
  try {
    if (done === steps) return files.map((file) => file.path)
    const generator = openGenerator(await executor.device(), prepared.generator)
    try {
      await writeResponses(generator, inputs, options, speaking, {
        signal: context.signal,
        onResponse: ({ prompts, tokens }) =>
          context.onProgress({ step: done + prompts, steps, message: `prompts answered, ${tokens} tokens` }),
      })
    } finally {
      generator.close()
    }
  } finally {
    for (const { file } of files) file.close()
  }
  return files.map((file) => file.path)
}

const uploaded = Effect.fnUntraced(function* (context: JobContext, name: string, file: string) {
  const bytes = readFileSync(file)
  if (bytes.length > LIMITS.answersBytes)
    return yield* Effect.fail(
      new JobFailed(
        `the responses of ${name} are ${byteSize(bytes.length)}, at most ${byteSize(LIMITS.answersBytes)} are taken; lower answering.maxTokens, or leave prompts out`,
        { retryable: false },
      ),
    )
  return yield* uploadArtefact(context, bytes)
})

export const generateJob = Effect.fn("generateJob")(function* (
  executor: JobExecutor,
  context: JobContext,
  spec: GenerateJob,
) {
  const { base, baseSource, voices } = spec
  const suite = yield* cachedSuite(executor.directory, spec.prompts, spec.answering)
  const adapterDirs = yield* Effect.forEach(voices, ({ adapter }) =>
    adapter === undefined ? Effect.succeed(undefined) : whenReachable(cachedFolder(executor, adapter)),
  )
  const ahead = yield* whenReachable(modelAhead(executor, base, baseSource))
  if (ahead !== undefined) {
    const plan = yield* attempt(async () =>
      forecastGeneration(await executor.device(), prepare(ahead, suite, spec, adapterDirs).generator),
    )
    const bytes = plan.fixedBytes + plan.cacheBytes + plan.passBytes
    context.onProgress({ step: 0, steps: 0, message: `memory: ${byteSize(bytes)} for ${plan.batch} at once` })
  }
  const modelDir = yield* whenReachable(cachedModelFolder(executor, base, baseSource))
  const keeping = yield* jobKeeping(context, executor.keptEveryMs ?? KEPT_EVERY_MS)
  const files = yield* attempt(async () => {
    const model = await readModelFolder(modelDir, undefined, base)
    return generate(executor, context, { spec, keeping, prepared: prepare(model, suite, spec, adapterDirs) })
  })
  const responses: Record<string, string> = {}
  for (const [index, { name }] of voices.entries()) responses[name] = yield* uploaded(context, name, files[index]!)
  return { kind: "generate", responses } satisfies GenerateResult
})
