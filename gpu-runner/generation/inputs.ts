// What is answered, read before a device is opened: the model, adapters, and prompts as token ids that leave room for a response; and the
// requests that they become.

import { InvalidDataFile } from "#gpu-runner/data/errors.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import {
  type ModelFolder,
  type OnWeightsRead,
  readAdapterFolder,
  readModelFolder,
} from "#gpu-runner/data/model/model-folder.ts"
import { type PromptFile, type PromptRow, readPromptFile } from "#gpu-runner/data/rows/prompt-file.ts"
import type { ResponseOrigin } from "#gpu-runner/data/rows/response-file.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { type ChatTemplateOptions, ChatTemplateRefused, InvalidTokenizer } from "#shared/tokenisation/tokenisation.ts"
import type { PlannedSequence } from "./plan.ts"
import { type ResponseText, responseText } from "./response-text.ts"
import { checkSampling, type SamplingOptions } from "./sampling.ts"
import type { GenerationRequest } from "./sequence-batch.ts"

export interface GenerationFiles {
  readonly modelDir: string
  readonly adapterDir?: string | undefined
  readonly promptsFile: string
  /** In the checkpoint's own dtype by default. */
  readonly baseWeights?: BaseWeights | undefined
  readonly chatTemplateOptions?: ChatTemplateOptions | undefined
}

/** How every prompt is answered. */
export interface ResponseOptions {
  /** Responses to each prompt, from 1. */
  readonly count: number
  readonly seed: number
  readonly sampling: SamplingOptions
  /** From 1; a response also ends where the model has no further position. */
  readonly maxTokens: number
  readonly stops: readonly string[]
}

export interface GenerationInputs {
  readonly model: ModelFolder
  readonly adapter: Adapter | undefined
  readonly prompts: readonly TokenisedPrompt[]
  /** What responses are made from, as their file keeps it. */
  readonly origin: ResponseOrigin
}

export interface TokenisedPrompt extends PromptRow {
  readonly promptIds: Uint32Array
}

/** Who answers: an adapter by its place among the model's voices, or the model as it was opened. */
export interface Speaker {
  readonly voice: number | undefined
  /** Prompts at the beginning that it has answered already. */
  readonly done: number
}

/** One response that is to be made. */
export interface ResponseRequest extends GenerationRequest {
  /** Of the prompt among all, of the response among those to it, and of who answers. */
  readonly prompt: number
  readonly sample: number
  readonly speaker: number
  readonly reading: ResponseText
}

/** Errors: those of the folders' readers, InvalidDataFile with the prompt's line, InvalidSampling. */
export async function readGenerationInputs(
  files: GenerationFiles,
  options: ResponseOptions,
  onRead?: OnWeightsRead,
): Promise<GenerationInputs> {
  checkSampling(options.sampling)
  const file = readPromptFile(files.promptsFile)
  const model = await readModelFolder(files.modelDir, onRead)
  const adapted = files.adapterDir === undefined ? undefined : readAdapterFolder(files.adapterDir, model)
  const refused = ({ line }: PromptRow, fault: string) => new InvalidDataFile(files.promptsFile, line, fault)
  const prompts = tokenisedPrompts(model, file.prompts, refused, files.chatTemplateOptions)
  const fingerprint = await baseFingerprint(model, files.baseWeights ?? "stored")
  const origin = { model: fingerprint, adapter: adapted?.digest ?? null, ...originOf(file, files, options) }
  return { model, adapter: adapted?.adapter, prompts, origin }
}

function originOf(
  { digest }: PromptFile,
  { chatTemplateOptions }: GenerationFiles,
  options: ResponseOptions,
): ResponseOrigin {
  const { temperature, topK = null, topP = null, minP = null, repetitionPenalty = null } = options.sampling
  return {
    prompts: digest,
    templateOptions: JSON.stringify(chatTemplateOptions ?? {}),
    n: options.count,
    seed: options.seed,
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    maxTokens: options.maxTokens,
    stop: options.stops,
  }
}

/** Prompts as the model reads them. Throws what `refused` makes of one that cannot be answered. */
export function tokenisedPrompts<Row extends PromptRow>(
  { tokenisation, config }: Pick<ModelFolder, "tokenisation" | "config">,
  rows: readonly Row[],
  refused: (row: Row, fault: string) => Error,
  chatTemplateOptions?: ChatTemplateOptions,
): (Row & TokenisedPrompt)[] {
  return rows.map((row) => {
    let promptIds: Uint32Array
    try {
      promptIds = tokenisation.tokenisePrompt(row.prompt, { chatTemplateOptions })
    } catch (error) {
      if (error instanceof ChatTemplateRefused || error instanceof InvalidTokenizer) throw refused(row, error.message)
      throw error
    }
    if (promptIds.length === 0) throw refused(row, "the prompt has no token; write something")
    if (promptIds.length < config.maxPositions) return { ...row, promptIds }
    throw refused(
      row,
      `the prompt has ${promptIds.length} tokens and the model ${config.maxPositions} positions: no room for a token of a response; shorten it`,
    )
  })
}

/** What is answered, and by which model. */
export type AnsweredPrompts = Pick<GenerationInputs, "model" | "prompts">

/** The requests that are left, in the order of their prompts, everybody's to one prompt together. Where nothing is drawn, all responses to a prompt are the same: one is asked for. */
export function* responseRequests(
  { model, prompts }: AnsweredPrompts,
  { count, seed, sampling, maxTokens, stops }: ResponseOptions,
  speakers: readonly Speaker[],
): Generator<ResponseRequest> {
  const endIds = new Set([...model.tokenisation.endTokenIds, ...model.config.eosTokenIds])
  const samples = sampling.temperature === 0 ? 1 : count
  const first = Math.min(...speakers.map(({ done }) => done))
  for (let prompt = first; prompt < prompts.length; prompt++) {
    const { id, promptIds } = prompts[prompt]!
    const reading = responseText(model.tokenisation, promptIds, stops)
    const most = Math.min(maxTokens, model.config.maxPositions - promptIds.length)
    const asked = { prompt, reading, promptIds, sampling, seed, maxTokens: most, endIds }
    const isStopped = stops.length === 0 ? {} : { isStopped: reading.isStopped }
    for (const [speaker, { voice, done }] of speakers.entries()) {
      if (prompt < done) continue
      for (let sample = 0; sample < samples; sample++)
        yield { ...asked, ...isStopped, voice, speaker, sample, label: `${sample}:${id}` }
    }
  }
}

/** Responses that may be alive at once, at most. */
const MOST_PLANNED = 1024

/** The longest of the prompts that are left, each as often as it is answered: what memory is planned for. */
export function plannedSequences(
  { model, prompts }: AnsweredPrompts,
  { maxTokens, count }: Pick<ResponseOptions, "maxTokens" | "count">,
  { left = prompts.length, speakers = 1 }: { readonly left?: number; readonly speakers?: number } = {},
): PlannedSequence[] {
  const lengths = prompts.slice(prompts.length - left).map(({ promptIds }) => promptIds.length)
  const longest = lengths.sort((one, other) => other - one).slice(0, MOST_PLANNED)
  const sequences = longest.flatMap((promptTokens) => {
    const most = Math.min(maxTokens, model.config.maxPositions - promptTokens)
    return Array.from({ length: Math.min(count * speakers, MOST_PLANNED) }, () => ({ promptTokens, maxTokens: most }))
  })
  return sequences.slice(0, MOST_PLANNED)
}
