// Continuous batching of requests that are known from the start: sequences join as others end, up to a batch and as long as the cache has
// pages for all that they may need.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { CachedDecoder } from "./cached-decoder.ts"
import { GenerationStopped } from "./errors.ts"
import {
  type BatchLimits,
  type FinishReason,
  type GenerationRequest,
  type PassOptions,
  SequenceBatch,
  type WaitingRequests,
} from "./sequence-batch.ts"

export interface Generated {
  /** The ending id among them, where finishReason is "stop". */
  readonly ids: readonly number[]
  readonly finishReason: FinishReason
  /** Nats of `ids` under the model itself, at temperature 1 without filters. */
  readonly sumLogProb: number
}

export interface GenerateOptions extends BatchLimits, PassOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Generates for every request; yields each as it ends, in no promised order. Errors: BrokenLogits,
 * GenerationStopped.
 */
export async function* generateBatch<Request extends GenerationRequest>(
  context: OpContext,
  decoder: CachedDecoder,
  requests: Iterable<Request>,
  options: GenerateOptions,
): AsyncGenerator<{ readonly request: Request; readonly generated: Generated }> {
  const batch = new SequenceBatch<Request>(context, options)
  const waiting = inTheirOrder(requests)
  while (batch.size > 0 || waiting.next() !== undefined) {
    if (options.signal?.aborted) throw new GenerationStopped()
    const advanced = await batch.pass(decoder, waiting, options)
    if (advanced.length === 0) {
      throw new RangeError(`the cache of ${options.pages} pages is too small for the next sequence`)
    }
    for (const { failure } of advanced) if (failure) throw failure
    for (const { request, ids, sumLogProb, finishReason } of advanced) {
      if (finishReason) yield { request, generated: { ids, sumLogProb, finishReason } }
    }
  }
}

function inTheirOrder<Request>(requests: Iterable<Request>): WaitingRequests<Request> {
  const iterator = requests[Symbol.iterator]()
  let next: Request | undefined
  const advance = () => {
    const { done, value } = iterator.next()
    next = done ? undefined : value
  }
  advance()
  return { next: () => next, advance }
}
