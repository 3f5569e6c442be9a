// What `yohaku generate` is told, read before a device is opened: the model, an adapter, and prompts as token ids that leave room for a
// response.

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

/** One response that is to be made. */
export interface ResponseRequest extends GenerationRequest {
  /** Of the prompt among all, and of the response among those to it. */
  readonly prompt: number
  readonly sample: number
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
  const prompts = file.prompts.map((row) => tokenised(files, model, row))
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

function tokenised(
  { promptsFile, chatTemplateOptions }: GenerationFiles,
  model: ModelFolder,
  row: PromptRow,
): TokenisedPrompt {
  const refused = (fault: string) => new InvalidDataFile(promptsFile, row.line, fault)
  const { tokenisation, config } = model
  let promptIds: Uint32Array
  try {
    promptIds = tokenisation.tokenisePrompt(row.prompt, { chatTemplateOptions })
  } catch (error) {
    if (error instanceof ChatTemplateRefused || error instanceof InvalidTokenizer) throw refused(error.message)
    throw error
  }
  if (promptIds.length === 0) throw refused("the prompt has no token; write something")
  if (promptIds.length < config.maxPositions) return { ...row, promptIds }
  throw refused(
    `the prompt has ${promptIds.length} tokens and the model ${config.maxPositions} positions: no room for a token of a response; shorten it`,
  )
}

/** The requests for the prompts from number `first` on, in their order. Where nothing is drawn, all responses to a prompt are the same: one is asked for. */
export function* responseRequests(
  { model, prompts }: GenerationInputs,
  { count, seed, sampling, maxTokens, stops }: ResponseOptions,
  first = 0,
): Generator<ResponseRequest> {
  const endIds = new Set([...model.tokenisation.endTokenIds, ...model.config.eosTokenIds])
  const samples = sampling.temperature === 0 ? 1 : count
  for (let prompt = first; prompt < prompts.length; prompt++) {
    const { id, promptIds } = prompts[prompt]!
    const reading = responseText(model.tokenisation, promptIds, stops)
    const most = Math.min(maxTokens, model.config.maxPositions - promptIds.length)
    for (let sample = 0; sample < samples; sample++) {
      const label = `${sample}:${id}`
      const request = { prompt, sample, reading, promptIds, sampling, seed, label, maxTokens: most, endIds }
      yield stops.length === 0 ? request : { ...request, isStopped: reading.isStopped }
    }
  }
}
