// The text of a response from its token ids, and whether a stop string stands in it. Special tokens have no text.
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"

/** What is needed of a tokenizer. */
type Decoding = Pick<Tokenisation, "decode">

export interface ResponseText {
  /** Of the response's ids, cut before the first of its stop strings. */
  readonly textOf: (ids: readonly number[]) => string
  /** Whether the newest of `ids` completed a stop string. */
  readonly isStopped: (ids: readonly number[]) => boolean
}

/** Tokens that may have no text of their own (a character's bytes, special ones) beside those of a stop string. */
const SPARE_TOKENS = 8
/** A character has at most four bytes, and a token at least one. */
const TOKENS_PER_CHARACTER = 4

/** For the responses to one prompt. A tokenizer may drop a text's first space, so that a response is what the whole has more than its prompt. */
export function responseText(tokenisation: Decoding, promptIds: Uint32Array, stops: readonly string[]): ResponseText {
  const decode = (ids: ArrayLike<number>) => tokenisation.decode(ids, { skipSpecialTokens: true })
  const before = decode(promptIds)
  const wholeText = (ids: readonly number[]) => {
    const whole = decode([...promptIds, ...ids])
    return whole.startsWith(before) ? whole.slice(before.length) : decode(ids)
  }
  const longest = stops.reduce((most, { length }) => Math.max(most, length), 0)
  const tail = TOKENS_PER_CHARACTER * longest + SPARE_TOKENS
  return {
    textOf: (ids) => {
      const text = wholeText(ids)
      const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)
      return text.slice(0, Math.min(text.length, ...ends))
    },
    isStopped: (ids) => {
      if (stops.length === 0) return false
      const recent = ids.length > tail ? decode(ids.slice(-tail)) : wholeText(ids)
      return stops.some((stop) => recent.includes(stop))
    },
  }
}
