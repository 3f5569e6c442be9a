// Responses to all prompts, written in the order of the prompts as soon as those before them are there.
import type { ResponseFile, StoredResponse } from "#gpu-runner/data/rows/response-file.ts"
import type { Generated, GenerateOptions } from "./generate-batch.ts"
import type { GenerationInputs, ResponseOptions, ResponseRequest } from "./inputs.ts"
import { responseRequests } from "./inputs.ts"
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

/** Goes on where the file ends. Errors: those of generateBatch, and of writing. */
export async function writeResponses(
  generator: TextGenerator,
  inputs: GenerationInputs,
  options: ResponseOptions,
  file: ResponseFile,
  watch: Pick<GenerateOptions, "signal" | "onPass"> & { readonly onResponse?: (counts: ResponseCounts) => void },
): Promise<ResponseCounts> {
  const waiting = new Map<number, StoredResponse[]>()
  const counts = { prompts: 0, responses: 0, tokens: 0, finished: { stop: 0, length: 0, "stop-string": 0 } }
  const requests = responseRequests(inputs, options, file.done)
  const isDrawn = options.sampling.temperature > 0
  let next = file.done
  for await (const { request, generated } of generator.generate(requests, watch)) {
    const response = storedResponse(request, generated)
    const responses = waiting.get(request.prompt) ?? []
    waiting.set(request.prompt, responses)
    if (isDrawn) responses[request.sample] = response
    else responses.push(...Array.from({ length: options.count }, () => response))
    counts.responses += isDrawn ? 1 : options.count
    counts.tokens += response.tokens
    counts.finished[response.finishReason] += isDrawn ? 1 : options.count
    for (let ready = waiting.get(next); isWhole(ready, options.count); ready = waiting.get(next)) {
      file.write(inputs.prompts[next]!.id, ready)
      waiting.delete(next)
      next += 1
      counts.prompts += 1
    }
    watch.onResponse?.(counts)
  }
  return counts
}

/** Samples of a prompt end in any order. */
function isWhole(responses: readonly StoredResponse[] | undefined, count: number): responses is StoredResponse[] {
  return responses !== undefined && responses.filter((response) => response !== undefined).length === count
}

function storedResponse({ reading }: ResponseRequest, { ids, finishReason, sumLogProb }: Generated): StoredResponse {
  return { text: reading.textOf(ids), tokens: ids.length, finishReason, sumLogProb }
}
