// Continuous batching: sequences join as others end, up to a batch and as long as the cache has pages for all that they may need. What a
// sequence says is a function of its own request: its prompt, adapter, options and seed.
import { SeededRandom } from "#gpu-runner/data/seeded-random.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { type CachedDecoder, type NextToken, packedTokens, prefillLogits, stepLogits } from "./cached-decoder.ts"
import { GenerationStopped } from "./errors.ts"
import { PagePool } from "./page-pool.ts"
import { pickToken, type SamplingOptions } from "./sampling.ts"

export interface GenerationRequest {
  /** At least one id. */
  readonly promptIds: Uint32Array
  /** The place of its adapter among the model's voices; undefined for the base. */
  readonly voice?: number | undefined
  readonly sampling: SamplingOptions
  readonly seed: number
  /** Separates the random numbers of requests with one seed. */
  readonly label: string
  /** From 1; with the prompt at most as many positions as the model was made for. */
  readonly maxTokens: number
  readonly endIds: ReadonlySet<number>
  /** Whether the text is to end here, of the response's ids so far; never by default. */
  readonly isStopped?: ((ids: readonly number[]) => boolean) | undefined
}

export type FinishReason = "stop" | "length" | "stop-string"

export interface Generated {
  /** The ending id among them, where finishReason is "stop". */
  readonly ids: readonly number[]
  readonly finishReason: FinishReason
  /** Nats of `ids` under the model itself, at temperature 1 without filters. */
  readonly sumLogProb: number
}

export interface BatchLimits {
  /** Sequences at once. */
  readonly batch: number
  /** Pages of the cache. */
  readonly pages: number
  /** Tokens of prompts that are read in one pass; a longer prompt is read alone. */
  readonly prefillTokens: number
}

/** What a pass did, for progress and rates. */
export interface PassReport {
  readonly kind: "prefill" | "step"
  /** Prompt tokens read, or sequences that got a token. */
  readonly tokens: number
  readonly seconds: number
}

export interface GenerateOptions extends BatchLimits {
  readonly signal?: AbortSignal | undefined
  readonly onPass?: ((report: PassReport) => void) | undefined
}

interface Sequence<Request extends GenerationRequest> {
  readonly request: Request
  readonly pages: readonly number[]
  readonly random: SeededRandom
  /** Ids of prompt and response; kept only where they are asked for. */
  readonly present: Set<number>
  readonly ids: number[]
  sumLogProb: number
  finishReason: FinishReason | undefined
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
  const pool = new PagePool(options.pages)
  const waiting = new Waiting(requests, pool)
  let active: Sequence<Request>[] = []
  while (active.length > 0 || !waiting.isEmpty) {
    if (options.signal?.aborted) throw new GenerationStopped()
    const joining = waiting.take(options.batch - active.length, options.prefillTokens)
    if (joining.length > 0) {
      const prompts = joining.map(({ request, pages }) => ({ ids: request.promptIds, pages, voice: request.voice }))
      const tokens = prompts.reduce((sum, { ids }) => sum + ids.length, 0)
      const pass = { kind: "prefill", tokens, run: () => prefillLogits(context, decoder, prompts) } as const
      takeTokens(joining, await logitsOf(context, pass, options))
      active.push(...joining)
    } else if (active.length > 0) {
      const tokens = active.map(nextToken)
      const pass = { kind: "step", tokens: tokens.length, run: () => stepLogits(context, decoder, tokens) } as const
      takeTokens(active, await logitsOf(context, pass, options))
    } else {
      throw new RangeError(`the cache of ${options.pages} pages is too small for the next sequence`)
    }
    const ended = active.filter(({ finishReason }) => finishReason !== undefined)
    active = active.filter(({ finishReason }) => finishReason === undefined)
    for (const { request, pages, ids, sumLogProb, finishReason } of ended) {
      pool.give(pages)
      yield { request, generated: { ids, sumLogProb, finishReason: finishReason! } }
    }
  }
}

/** Requests in their order; those that come next are taken while there is room for all that they may say. */
class Waiting<Request extends GenerationRequest> {
  readonly #requests: Iterator<Request>
  readonly #pool: PagePool
  #next: Request | undefined

  constructor(requests: Iterable<Request>, pool: PagePool) {
    this.#requests = requests[Symbol.iterator]()
    this.#pool = pool
    this.#advance()
  }

  get isEmpty(): boolean {
    return this.#next === undefined
  }

  #advance(): void {
    const { done, value } = this.#requests.next()
    this.#next = done ? undefined : value
  }

  /** At most `most` sequences, whose prompts fit into one pass together. */
  take(most: number, prefillTokens: number): Sequence<Request>[] {
    const taken: Sequence<Request>[] = []
    let tokens = 0
    for (let request = this.#next; request !== undefined && taken.length < most; request = this.#next) {
      tokens += packedTokens(request.promptIds.length)
      if (taken.length > 0 && tokens > prefillTokens) break
      // The last token that is said is never read.
      const pages = this.#pool.take(request.promptIds.length + request.maxTokens - 1)
      if (pages === undefined) break
      taken.push(sequenceOf(request, pages))
      this.#advance()
    }
    return taken
  }
}

function sequenceOf<Request extends GenerationRequest>(request: Request, pages: readonly number[]): Sequence<Request> {
  const { sampling, promptIds, seed, label } = request
  const countsPresent = (sampling.repetitionPenalty ?? 1) !== 1
  const random = new SeededRandom(seed, label)
  const present = new Set(countsPresent ? promptIds : [])
  return { request, pages, random, present, ids: [], sumLogProb: 0, finishReason: undefined }
}

function nextToken<Request extends GenerationRequest>({ request, pages, ids }: Sequence<Request>): NextToken {
  const position = request.promptIds.length + ids.length - 1
  return { id: ids.at(-1)!, position, pages, voice: request.voice }
}

interface Pass {
  readonly kind: PassReport["kind"]
  readonly tokens: number
  /** Records the pass in the open scope. */
  readonly run: () => Tensor
}

/** The rows of logits that a pass gives. */
async function logitsOf(
  context: OpContext,
  { kind, tokens, run }: Pass,
  { onPass }: GenerateOptions,
): Promise<readonly Float32Array[]> {
  const startedMs = performance.now()
  const scope = context.memory.openScope()
  try {
    const logits = run()
    const [rows, vocabulary] = logits.shape as readonly [number, number]
    const [values] = await readback(context, [logits])
    onPass?.({ kind, tokens, seconds: (performance.now() - startedMs) / 1000 })
    return Array.from({ length: rows }, (_, row) => values!.subarray(row * vocabulary, (row + 1) * vocabulary))
  } finally {
    scope.close()
  }
}

/** Gives each sequence its next token, and ends those that are done. */
function takeTokens<Request extends GenerationRequest>(
  sequences: readonly Sequence<Request>[],
  logits: readonly Float32Array[],
): void {
  sequences.forEach((sequence, index) => {
    const { request, ids, present, random } = sequence
    const position = request.promptIds.length + ids.length
    const { id, logProb } = pickToken(logits[index]!, request.sampling, random, { present, position })
    ids.push(id)
    present.add(id)
    sequence.sumLogProb += logProb
    if (request.endIds.has(id)) sequence.finishReason = "stop"
    else if (request.isStopped?.(ids)) sequence.finishReason = "stop-string"
    else if (ids.length >= request.maxTokens) sequence.finishReason = "length"
  })
}
