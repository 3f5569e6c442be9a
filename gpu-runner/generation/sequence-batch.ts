// Sequences that are generated together, pass by pass: some join where others ended, and any may leave between two passes. What a sequence
// says is a function of its own request: its prompt, adapter, options and seed.

import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { type CachedDecoder, type NextToken, packedTokens, prefillLogits, stepLogits } from "./cached-decoder.ts"
import { BrokenLogits } from "./errors.ts"
import { PagePool } from "./page-pool.ts"
import { likeliestTokens, type PickedToken, pickToken, type SamplingOptions } from "./sampling.ts"

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
  /** So many of the likeliest tokens are told beside each that is said; none by default. */
  readonly likeliest?: number | undefined
}

export type FinishReason = "stop" | "length" | "stop-string"

/** A token that a sequence said. */
export interface SaidToken extends PickedToken {
  /** As many as the request asks for, the likeliest first. */
  readonly likeliest: readonly PickedToken[]
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

export interface PassOptions {
  readonly onPass?: ((report: PassReport) => void) | undefined
}

/** Requests in the order in which they come. */
export interface WaitingRequests<Request> {
  /** The one that comes next; undefined while there is none. */
  readonly next: () => Request | undefined
  /** Takes it. */
  readonly advance: () => void
}

export interface Sequence<Request extends GenerationRequest> {
  readonly request: Request
  readonly ids: readonly number[]
  /** Nats of `ids` under the model itself, at temperature 1 without filters. */
  readonly sumLogProb: number
  /** Undefined where it failed. */
  readonly newest: SaidToken | undefined
  /** It has left the batch then. */
  readonly finishReason: FinishReason | undefined
  /** What it computes with is broken. It has left the batch. */
  readonly failure: BrokenLogits | undefined
}

interface Member<Request extends GenerationRequest> extends Sequence<Request> {
  readonly pages: readonly number[]
  readonly random: SeededRandom
  /** Ids of prompt and response; kept only where they are asked for. */
  readonly present: Set<number>
  readonly ids: number[]
  sumLogProb: number
  newest: SaidToken | undefined
  finishReason: FinishReason | undefined
  failure: BrokenLogits | undefined
}

export class SequenceBatch<Request extends GenerationRequest> {
  readonly #context: OpContext
  readonly #limits: BatchLimits
  readonly #pool: PagePool
  #members: Member<Request>[] = []

  constructor(context: OpContext, limits: BatchLimits) {
    this.#context = context
    this.#limits = limits
    this.#pool = new PagePool(limits.pages)
  }

  /** Sequences under way. */
  get size(): number {
    return this.#members.length
  }

  /**
   * One pass: reads the prompts of requests that there is room for, or else computes the next token of every sequence. Returns those that got a
   * token or failed; none where nothing is under way and the next request is larger than the cache. Not twice at once.
   */
  async pass(
    decoder: CachedDecoder,
    waiting: WaitingRequests<Request>,
    { onPass }: PassOptions = {},
  ): Promise<readonly Sequence<Request>[]> {
    const joining = this.#joining(waiting)
    if (joining.length > 0) {
      this.#members = byVoice([...this.#members, ...joining])
      const prompts = joining.map(({ request, pages }) => ({ ids: request.promptIds, pages, voice: request.voice }))
      const tokens = prompts.reduce((sum, { ids }) => sum + ids.length, 0)
      const run = () => prefillLogits(this.#context, decoder, prompts)
      return this.#advance(joining, { kind: "prefill", tokens, run }, onPass)
    }
    const members = this.#members
    if (members.length === 0) return []
    const tokens = members.map(nextToken)
    const run = () => stepLogits(this.#context, decoder, tokens)
    return this.#advance(members, { kind: "step", tokens: tokens.length, run }, onPass)
  }

  /** Ends a sequence between two passes; what it held is free. One that is not under way is passed over. */
  leave(request: Request): void {
    const member = this.#members.find((other) => other.request === request)
    if (member) this.#remove([member])
  }

  async #advance(
    members: readonly Member<Request>[],
    pass: Pass,
    onPass: PassOptions["onPass"],
  ): Promise<readonly Sequence<Request>[]> {
    takeTokens(members, await logitsOf(this.#context, pass, onPass))
    this.#remove(members.filter(({ finishReason, failure }) => finishReason !== undefined || failure !== undefined))
    return members
  }

  #remove(ended: readonly Member<Request>[]): void {
    if (ended.length === 0) return
    this.#members = this.#members.filter((member) => !ended.includes(member))
    for (const { pages } of ended) this.#pool.give(pages)
  }

  /** Those that come next while there is room for all that they may say, and whose prompts fit into one pass together. */
  #joining(waiting: WaitingRequests<Request>): Member<Request>[] {
    const { batch, prefillTokens } = this.#limits
    const most = batch - this.#members.length
    const taken: Member<Request>[] = []
    let tokens = 0
    for (let request = waiting.next(); request !== undefined && taken.length < most; request = waiting.next()) {
      tokens += packedTokens(request.promptIds.length)
      if (taken.length > 0 && tokens > prefillTokens) break
      // The last token that is said is never read.
      const pages = this.#pool.take(request.promptIds.length + request.maxTokens - 1)
      if (pages === undefined) break
      taken.push(memberOf(request, pages))
      waiting.advance()
    }
    return byVoice(taken)
  }
}

/** Sequences of one voice beside each other, so that a pass computes its rows where they stand. */
function byVoice<Request extends GenerationRequest>(members: readonly Member<Request>[]): Member<Request>[] {
  return members.toSorted(({ request: one }, { request: other }) => (one.voice ?? -1) - (other.voice ?? -1))
}

function memberOf<Request extends GenerationRequest>(request: Request, pages: readonly number[]): Member<Request> {
  const { sampling, promptIds, seed, label } = request
  const countsPresent = (sampling.repetitionPenalty ?? 1) !== 1
  const random = new SeededRandom(seed, label)
  const present = new Set(countsPresent ? promptIds : [])
  const unsaid = { newest: undefined, finishReason: undefined, failure: undefined }
  return { request, pages, random, present, ids: [], sumLogProb: 0, ...unsaid }
}

function nextToken<Request extends GenerationRequest>({ request, pages, ids }: Member<Request>): NextToken {
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
  onPass: PassOptions["onPass"],
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

/** Gives each sequence its next token, and says which are done. */
function takeTokens<Request extends GenerationRequest>(
  members: readonly Member<Request>[],
  logits: readonly Float32Array[],
): void {
  members.forEach((member, index) => {
    try {
      takeToken(member, logits[index]!)
    } catch (error) {
      if (!(error instanceof BrokenLogits)) throw error
      member.newest = undefined
      member.failure = error
    }
  })
}

function takeToken<Request extends GenerationRequest>(member: Member<Request>, logits: Float32Array): void {
  const { request, ids, present, random } = member
  const position = request.promptIds.length + ids.length
  const picked = pickToken(logits, request.sampling, random, { present, position })
  member.newest = { ...picked, likeliest: likeliestTokens(logits, request.likeliest ?? 0) }
  ids.push(picked.id)
  present.add(picked.id)
  member.sumLogProb += picked.logProb
  if (request.endIds.has(picked.id)) member.finishReason = "stop"
  else if (request.isStopped?.(ids)) member.finishReason = "stop-string"
  else if (ids.length >= request.maxTokens) member.finishReason = "length"
}
