// From text or chat messages to scored token ids: the same module on the edge and on the runner.
// Masks come from lengths; a pair that cannot be tokenised exactly is dropped with a reason, never repaired.

/** A chat message. */
export interface Message {
  readonly role: string
  readonly content: string
}

/** All three plain text (no template), or all three lists of messages (through the chat template). */
export type PairText =
  | { readonly prompt: string; readonly chosen: string; readonly rejected: string }
  | {
      readonly prompt: readonly Message[]
      readonly chosen: readonly Message[]
      readonly rejected: readonly Message[]
    }

export interface TokenisationPolicy {
  /** budget for prompt + response, the same for both responses, in tokens */
  readonly maxLength: number
  /** default "drop" */
  readonly overflow?: "drop" | "truncate" | "error"
}

export type DropReason = "empty" | "identical" | "over-length" | "boundary-mismatch"

export type TokenisedPair =
  | {
      readonly _tag: "Tokenised"
      readonly promptIds: Uint32Array
      readonly chosenIds: Uint32Array
      readonly rejectedIds: Uint32Array
      /** true when a response lost tokens to the budget (it then has no end of turn) */
      readonly truncated: boolean
    }
  | { readonly _tag: "Dropped"; readonly reason: DropReason }

/** The tokenizer's files or a template cannot be used, or an id lies outside the model's vocabulary. */
export class InvalidTokenizer extends Error {
  readonly _tag = "InvalidTokenizer"
}

/** Overflow policy "error": the pair does not fit the budget. */
export class PairOverLength extends Error {
  readonly _tag = "PairOverLength"
}

export interface TokenisationFiles {
  /** text or parsed value of tokenizer.json */
  readonly tokenizerJson: unknown
  /** text or parsed value of tokenizer_config.json */
  readonly tokenizerConfigJson: unknown
  /** text of chat_template.jinja; default: `chat_template` of tokenizer_config.json */
  readonly chatTemplate?: string | undefined
  /** the model's vocabulary; every id must lie in [0, vocabularySize). Default: the tokenizer's own size */
  readonly vocabularySize?: number | undefined
}

/** A tokenizer and its chat template, ready to tokenise pairs. Build one per model and isolate: parsing is costly. */
export class Tokenisation {
  /** Size against which ids are checked. */
  readonly vocabularySize: number = 0
  /** Text of the chat template, or undefined where there is none; its sha256 is part of the reference fingerprint. */
  readonly chatTemplate: string | undefined

  /** Throws InvalidTokenizer. */
  static fromFiles(_files: TokenisationFiles): Tokenisation {
    throw new Error("unfinished")
  }

  /** Token ids of a pair, or why it was dropped. Throws PairOverLength (policy "error") or InvalidTokenizer. */
  tokenisePair(_pair: PairText, _policy: TokenisationPolicy): TokenisedPair {
    throw new Error("unfinished")
  }

  /** Text of token ids, special tokens kept unless asked otherwise. */
  decode(_ids: ArrayLike<number>, _options: { readonly skipSpecialTokens?: boolean } = {}): string {
    throw new Error("unfinished")
  }
}

/** Bytes whose sha256 names a response's log-probs in the cache: u32-LE of [prompt ids, response ids], then u32-LE of the response start. */
export function responseDigestInput(
  promptIds: ArrayLike<number>,
  responseIds: ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * (promptIds.length + responseIds.length + 1))
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < promptIds.length; index++) view.setUint32(4 * index, promptIds[index]!, true)
  const start = promptIds.length
  for (let index = 0; index < responseIds.length; index++) {
    view.setUint32(4 * (start + index), responseIds[index]!, true)
  }
  view.setUint32(4 * (start + responseIds.length), start, true)
  return bytes
}
