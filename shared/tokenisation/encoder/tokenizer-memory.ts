// What a tokenizer takes of memory, and whether that fits an edge isolate.
import { PLACES_EACH } from "./vocabulary.ts"

/** What a tokenizer.json holds. */
export interface TokenizerSize {
  readonly tokens: number
  /** whether ids are other than the tokens' places in the file */
  readonly hasOwnIds: boolean
  /** Unigram's scores */
  readonly scores: number
  /** UTF-8 bytes of all tokens together */
  readonly tokenBytes: number
  readonly merges: number
  /** bytes of the file besides vocabulary and merges: added tokens, and the other parts */
  readonly otherBytes: number
}

const BYTES_A_NUMBER = 4
/** Of a token: where it ends, and its places in the table by bytes. */
const BYTES_A_TOKEN = BYTES_A_NUMBER * (1 + PLACES_EACH)
/** Its id, and its places in the table by id. */
const BYTES_AN_ID = BYTES_A_NUMBER * (1 + PLACES_EACH)
const BYTES_A_SCORE = 8
/** Of a merge: both ids, what it makes, and its places in the table. */
const BYTES_A_MERGE = BYTES_A_NUMBER * (3 + PLACES_EACH)
/** An added token is an object and a path of a tree; measured with Gemma 3's 6,415 (test/bench/tokenizer-memory.ts). */
const BYTES_AN_OTHER_BYTE = 3
/** Pieces whose ids are remembered. */
const CACHE_BYTES = 2_000_000

/** Bytes that a tokenizer takes once it is loaded. */
export const tokenizerBytes = ({ tokens, hasOwnIds, scores, tokenBytes, merges, otherBytes }: TokenizerSize): number =>
  tokenBytes +
  tokens * (BYTES_A_TOKEN + (hasOwnIds ? BYTES_AN_ID : 0)) +
  scores * BYTES_A_SCORE +
  merges * BYTES_A_MERGE +
  otherBytes * BYTES_AN_OTHER_BYTE +
  CACHE_BYTES

const count = (value: number): string => value.toLocaleString("en")
const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1)

/**
 * Of all tokenizers that an isolate keeps: what is left of its 128 MB beside ONNX Runtime's bound, the code, and the pairs at work
 * (workers/scorer/DESIGN.md has the measurement).
 */
export const EDGE_TOKENIZER_BYTES = 25_000_000

/** A tokenizer would take more memory than there is for it. */
export class TokenizerTooLarge extends Error {
  readonly _tag = "TokenizerTooLarge"

  constructor({ tokens, merges, otherBytes }: TokenizerSize, bytes: number, limitBytes: number) {
    super(
      `tokenizer.json with ${count(tokens)} tokens, ${count(merges)} merges and ${megabytes(otherBytes)} MB besides, as far as it was ` +
        `read, takes ${megabytes(bytes)} MB, and an edge isolate has ${megabytes(limitBytes)} MB for tokenizers`,
    )
  }
}
