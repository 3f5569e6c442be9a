// One answer while it is being said: its text in pieces that are final, with the log-probs of the tokens that the text is of.
import type { FinishReason, SaidToken, Sequence } from "#gpu-runner/generation/sequence-batch.ts"
import { StreamedText } from "#gpu-runner/generation/streamed-text.ts"
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import type { ServedRequest } from "./scheduler.ts"

/** A token that is told of. */
export interface AnswerToken extends SaidToken {
  /** Characters of the answer before it. */
  readonly offset: number
}

/** What an answer gained. */
export interface AnswerPiece {
  readonly text: string
  /** Empty where no log-probs are asked for. */
  readonly tokens: readonly AnswerToken[]
  readonly finishReason: FinishReason | undefined
  /** Said so far, the token that ended the turn among them. */
  readonly tokenCount: number
}

export class Answer {
  readonly #text: StreamedText
  readonly #tellsTokens: boolean
  #untold: AnswerToken[] = []

  constructor(
    tokenisation: Pick<Tokenisation, "decode">,
    promptIds: Uint32Array,
    { stops, tellsTokens }: { readonly stops: readonly string[]; readonly tellsTokens: boolean },
  ) {
    this.#text = new StreamedText(tokenisation, promptIds, stops)
    this.#tellsTokens = tellsTokens
  }

  /** GenerationRequest.isStopped. */
  readonly isStopped = (ids: readonly number[]): boolean => {
    this.#text.take(ids)
    return this.#text.isStopped
  }

  /** After each token of the sequence. Undefined while nothing can be said for good. */
  advance({ ids, newest, finishReason }: Sequence<ServedRequest>): AnswerPiece | undefined {
    this.#text.take(ids)
    if (this.#tellsTokens) this.#untold.push({ ...newest!, offset: this.#text.offsetOf(ids.length - 1) })
    const text = finishReason === undefined ? this.#text.release() : this.#text.finish(ids)
    if (text === "" && finishReason === undefined) return undefined
    return { text, tokens: this.#told(finishReason), finishReason, tokenCount: ids.length }
  }

  /** Tokens whose text was released; those of a stop string are not told. */
  #told(finishReason: FinishReason | undefined): readonly AnswerToken[] {
    const released = this.#text.releasedLength
    const isTold = ({ offset }: AnswerToken) =>
      offset < released || (finishReason !== undefined && finishReason !== "stop-string")
    const told = this.#untold.filter(isTold)
    this.#untold = this.#untold.filter((token) => !isTold(token))
    return told
  }
}
