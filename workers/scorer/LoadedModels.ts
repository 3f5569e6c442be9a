// What this isolate keeps between events: tokenizers and one open ONNX session, by the digests of the files they came from.
// Only finished values are kept. A promise, semaphore or deferred shared between two events would resume one event's
// continuation inside the other, where workerd refuses its I/O, or leave it hanging when its maker is cancelled.
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { GraphNotes } from "#shared/formats/onnx/graph-file.ts"
import { EDGE_TOKENIZER_BYTES } from "#shared/tokenisation/encoder/tokenizer-memory.ts"
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { type OnnxSession, openSession } from "./onnx-runtime.ts"

/** After which a load counts as broken off: its event may have ended without a word. */
const LONGEST_LOAD_MS = 60_000

export interface Tokeniser {
  readonly tokenisation: Tokenisation
  /** Digest of tokenizer.json. */
  readonly tokenizerDigest: string
  /** First half of the cache key: weights, tokenizer, template, precision, numerics. */
  readonly referenceFingerprint: string
  /** The longest sequence the model was made for, whatever the dataset allows. */
  readonly maxPositions: number
  /** That it takes of memory. */
  readonly bytes: number
  readonly config: DecoderConfig
  /** What its graph says of its weights; without a graph, what an f32 one would. */
  readonly graph: GraphNotes
}

export class LoadedModels {
  /** The one that was used last stands last. */
  readonly #tokenisers = new Map<string, Tokeniser>()
  #session: { readonly digest: string; readonly session: OnnxSession } | undefined
  #loadEndsMs = 0

  tokeniser(key: string): Tokeniser | undefined {
    const kept = this.#tokenisers.get(key)
    if (kept !== undefined) {
      this.#tokenisers.delete(key)
      this.#tokenisers.set(key, kept)
    }
    return kept
  }

  keepTokeniser(key: string, tokeniser: Tokeniser): void {
    this.makeRoom(tokeniser.bytes)
    this.#tokenisers.set(key, tokeniser)
  }

  /** Forgets the tokenizers that were not used for longest, until another one of these bytes fits beside the rest. */
  makeRoom(bytes: number): void {
    let heldBytes = 0
    for (const [key, kept] of [...this.#tokenisers].reverse()) {
      heldBytes += kept.bytes
      if (heldBytes + bytes > EDGE_TOKENIZER_BYTES) this.#tokenisers.delete(key)
    }
  }

  /**
   * Whether the caller may load a tokenizer: two at once could fill the isolate. Whoever may is told until when, and says by it when it is
   * done; undefined: another loads.
   */
  beginLoad(nowMs: number): number | undefined {
    if (nowMs < this.#loadEndsMs) return undefined
    this.#loadEndsMs = nowMs + LONGEST_LOAD_MS
    return this.#loadEndsMs
  }

  /** Of a load that took longer than it had, nothing: another's may be under way. */
  endLoad(endsMs: number): void {
    if (endsMs === this.#loadEndsMs) this.#loadEndsMs = 0
  }

  hasSession(digest: string): boolean {
    return this.#session?.digest === digest
  }

  /**
   * The session on a model.onnx, opened from `bytes` unless it is open already; another model's session is released first,
   * because two models may not fit. Nothing inside waits for I/O, so that no other event runs between check and opening.
   */
  async session(
    digest: string,
    bytes: Uint8Array | undefined,
  ): Promise<{ readonly session: OnnxSession; readonly isNew: boolean }> {
    if (this.#session?.digest === digest) return { session: this.#session.session, isNew: false }
    if (bytes === undefined) throw new Error("the session was released before its model was read")
    await this.release()
    const session = await openSession(bytes)
    this.#session = { digest, session }
    return { session, isNew: true }
  }

  async release(): Promise<void> {
    const open = this.#session
    this.#session = undefined
    await open?.session.release()
  }

  /** Back to how a new isolate starts. */
  async clear(): Promise<void> {
    this.#tokenisers.clear()
    this.#loadEndsMs = 0
    await this.release()
  }
}

/** One for the isolate: its keys are digests, so it does not matter whose event filled it. */
export const loadedModels = new LoadedModels()
