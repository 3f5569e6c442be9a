// Responses to all prompts, written in the order of the prompts as soon as those before them are there.
import type { ResponseFile, StoredResponse } from "#gpu-runner/data/rows/response-file.ts"
import type { Generated, GenerateOptions } from "./generate-batch.ts"
import { type AnsweredPrompts, type ResponseOptions, type ResponseRequest, responseRequests } from "./inputs.ts"
import type { Generator as TextGenerator } from "./open-generator.ts"
import type { FinishReason } from "./sequence-batch.ts"

/** What was made so far, since this process began. */
export interface ResponseCounts {
  /** Prompts whose responses are written. */
  readonly prompts: number
  readonly responses: number
  /** Tokens of responses. */
  readonly tokens: number
  readonly finished: Readonly<Record<FinishReason, number>>
}

/** Who answers, and where to. */
export interface Speaking {
  readonly voice: number | undefined
  readonly file: ResponseFile
}

/** Goes on where each file ends. Errors: those of generateBatch, and of writing. */
export async function writeResponses(
  generator: TextGenerator,
  inputs: AnsweredPrompts,
  options: ResponseOptions,
  speaking: readonly Speaking[],
  watch: Pick<GenerateOptions, "signal" | "onPass"> & { readonly onResponse?: (counts: ResponseCounts) => void },
): Promise<ResponseCounts> {
  const counts = { prompts: 0, responses: 0, tokens: 0, finished: { stop: 0, length: 0, "stop-string": 0 } }
  const speakers = speaking.map(({ voice, file }) => ({ voice, done: file.done }))
  const writers = speaking.map(({ file }) => new OrderedResponses(inputs.prompts, options, file))
  for await (const { request, generated } of generator.generate(responseRequests(inputs, options, speakers), watch)) {
    const response = storedResponse(request, generated)
    const { written, responses } = writers[request.speaker]!.take(request, response)
    counts.prompts += written
    counts.responses += responses
    counts.tokens += response.tokens
    counts.finished[response.finishReason] += responses
    watch.onResponse?.(counts)
  }
  return counts
}

/** Holds responses back until those to all prompts before theirs are written. */
class OrderedResponses {
  readonly #waiting = new Map<number, StoredResponse[]>()
  readonly #prompts: AnsweredPrompts["prompts"]
  readonly #options: ResponseOptions
  readonly #file: ResponseFile
  #next: number

  constructor(prompts: AnsweredPrompts["prompts"], options: ResponseOptions, file: ResponseFile) {
    this.#prompts = prompts
    this.#options = options
    this.#file = file
    this.#next = file.done
  }

  /** How many prompts' responses were written for it, and how many responses it is. */
  take({ prompt, sample }: ResponseRequest, response: StoredResponse) {
    const { count, sampling } = this.#options
    const responses = this.#waiting.get(prompt) ?? []
    this.#waiting.set(prompt, responses)
    const isDrawn = sampling.temperature > 0
    if (isDrawn) responses[sample] = response
    else responses.push(...Array.from({ length: count }, () => response))
    let written = 0
    for (let ready = this.#waiting.get(this.#next); isWhole(ready, count); ready = this.#waiting.get(this.#next)) {
      this.#file.write(this.#prompts[this.#next]!.id, ready)
      this.#waiting.delete(this.#next)
      this.#next += 1
      written += 1
    }
    return { written, responses: isDrawn ? 1 : count }
  }
}

/** Samples of a prompt end in any order. */
function isWhole(responses: readonly StoredResponse[] | undefined, count: number): responses is StoredResponse[] {
  return responses !== undefined && responses.filter((response) => response !== undefined).length === count
}

function storedResponse({ reading }: ResponseRequest, { ids, finishReason, sumLogProb }: Generated): StoredResponse {
  return { text: reading.textOf(ids), tokens: ids.length, finishReason, sumLogProb }
}
