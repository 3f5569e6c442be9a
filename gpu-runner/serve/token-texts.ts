// Tokens as log-probs name them: each by itself, written as inside a text, so that a space at its beginning is seen.
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"

export interface TokenText {
  readonly token: string
  /** UTF-8; null for a token that is a part of a character. */
  readonly bytes: readonly number[] | null
}

export class TokenTexts {
  readonly #tokenisation: Pick<Tokenisation, "decode">
  /** Tokens that a token is written behind, and their text. */
  readonly #before: { readonly ids: readonly number[]; readonly text: string }
  readonly #known = new Map<number, TokenText>()

  constructor(tokenisation: Pick<Tokenisation, "decode" | "encode">) {
    this.#tokenisation = tokenisation
    const ids = tokenisation.encode("a")
    this.#before = { ids, text: tokenisation.decode(ids) }
  }

  of(id: number): TokenText {
    const known = this.#known.get(id) ?? this.#read(id)
    this.#known.set(id, known)
    return known
  }

  #read(id: number): TokenText {
    const { ids, text } = this.#before
    const both = this.#tokenisation.decode([...ids, id])
    const token = both.startsWith(text) ? both.slice(text.length) : this.#tokenisation.decode([id])
    return { token, bytes: token.includes("\uFFFD") ? null : [...new TextEncoder().encode(token)] }
  }
}
