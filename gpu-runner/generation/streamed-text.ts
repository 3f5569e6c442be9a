// A response's text while it is being said: pieces that stay as they are, whatever comes. A character whose bytes are not all there is held back,
// and so is what may be the beginning of a stop string. The pieces together are the text that response-text.ts gives to the whole; where a
// byte-fallback tokenizer's model says bytes that are no character, its readable neighbours are kept here and replaced there.
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { responseText } from "./response-text.ts"

type Decoding = Pick<Tokenisation, "decode">

/** So much of a prompt tells how its first token of a response is written. */
const CONTEXT_TOKENS = 16
const INCOMPLETE = "\uFFFD"

export class StreamedText {
  readonly #tokenisation: Decoding
  readonly #promptIds: Uint32Array
  readonly #stops: readonly string[]
  /** Tokens before those whose text is open, so that a tokenizer writes spaces as inside a text. */
  #context: readonly number[]
  #open: number[] = []
  /** Whole characters that may still be part of a stop string. */
  #held = ""
  #released = ""
  /** Of each token that was taken: characters that were known before it. */
  readonly #offsets: number[] = []
  #isStopped = false

  constructor(tokenisation: Decoding, promptIds: Uint32Array, stops: readonly string[]) {
    this.#tokenisation = tokenisation
    this.#promptIds = promptIds
    this.#stops = stops
    const near = Array.from(promptIds.slice(-CONTEXT_TOKENS))
    this.#context = this.#decode(near) === "" ? Array.from(promptIds) : near
  }

  /** Whether a stop string was said; the text ends before it. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Characters before the token of this number. */
  offsetOf(token: number): number {
    return this.#offsets[token] ?? this.#released.length + this.#held.length
  }

  /** Characters that were released. */
  get releasedLength(): number {
    return this.#released.length
  }

  /** Takes what is new of a response's ids. Errors: InvalidTokenizer. */
  take(ids: readonly number[]): void {
    while (this.#offsets.length < ids.length && !this.#isStopped) {
      this.#open.push(ids[this.#offsets.length]!)
      this.#offsets.push(this.#released.length + this.#held.length)
      const text = this.#openText()
      if (text.endsWith(INCOMPLETE)) continue
      // A special token has no text, and could not tell how the next one is written.
      if (text !== "") this.#context = this.#open
      else this.#context = [...this.#context, ...this.#open]
      this.#open = []
      this.#hold(text)
    }
  }

  /** What can be said for good now. */
  release(): string {
    const kept = this.#isStopped ? 0 : longestBeginning(this.#held, this.#stops)
    return this.#releaseAllBut(kept)
  }

  /** The rest, of a response that has ended with these ids. */
  finish(ids: readonly number[]): string {
    this.take(ids)
    if (this.#isStopped) return this.#releaseAllBut(0)
    const whole = responseText(this.#tokenisation, this.#promptIds, this.#stops).textOf(ids)
    if (whole.startsWith(this.#released + this.#held)) this.#held = whole.slice(this.#released.length)
    else this.#hold(this.#openText())
    this.#open = []
    return this.#releaseAllBut(0)
  }

  #releaseAllBut(kept: number): string {
    const piece = this.#held.slice(0, this.#held.length - kept)
    this.#held = this.#held.slice(piece.length)
    this.#released += piece
    return piece
  }

  /** Cuts before the first stop string. */
  #hold(text: string): void {
    const held = this.#held + text
    const ends = this.#stops.map((stop) => held.indexOf(stop)).filter((at) => at >= 0)
    this.#isStopped = ends.length > 0
    this.#held = held.slice(0, Math.min(held.length, ...ends))
  }

  #openText(): string {
    const before = this.#decode(this.#context)
    const both = this.#decode([...this.#context, ...this.#open])
    return both.startsWith(before) ? both.slice(before.length) : this.#decode(this.#open)
  }

  #decode(ids: readonly number[]): string {
    return this.#tokenisation.decode(ids, { skipSpecialTokens: true })
  }
}

/** How many characters at the end of a text begin a stop string. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}
