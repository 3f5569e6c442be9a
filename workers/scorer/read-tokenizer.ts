// tokenizer.json of a registered model, read while it arrives: its bytes are never held together. It is refused where it would fill the
// isolate, and it is nothing before its last byte has come and the digest is that of its name.
import { Effect, Schema } from "effect"
import {
  EDGE_TOKENIZER_BYTES,
  TokenizerTooLarge,
  tokenizerBytes,
} from "#shared/tokenisation/encoder/tokenizer-memory.ts"
import { type TokenizerFields, TokenizerReader } from "#shared/tokenisation/tokenizer-reader.ts"
import { Blobs } from "./Blobs.ts"
import { ReferenceInvalid } from "./errors.ts"

/** A file of more is not begun. One of 33 MB, Gemma 3's, is the largest in use. */
const MAX_FILE_BYTES = 100_000_000

export interface ReadTokenizer {
  readonly fields: TokenizerFields
  /** That the tokenizer takes while it is kept. */
  readonly bytes: number
}

/** The tokenizer does not fit an isolate. No other place makes ids, so there is no way around it but another tokenizer. */
export class TokenizerUnfit extends Schema.TaggedError<TokenizerUnfit>()("TokenizerUnfit", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}; use a base model with a smaller tokenizer, or train from files: yohaku train tokenises by itself`
  }
}

const refused = (cause: unknown): ReferenceInvalid | TokenizerUnfit =>
  cause instanceof TokenizerTooLarge
    ? new TokenizerUnfit({ detail: cause.message })
    : new ReferenceInvalid({ file: "tokenizer.json", detail: cause instanceof Error ? cause.message : String(cause) })

/** Reads it. `makeRoom` is told how much it is likely to take before anything is read. */
export const readTokenizer = Effect.fnUntraced(function* (digest: string, makeRoom: (bytes: number) => void) {
  const blobs = yield* Blobs
  const fileBytes = yield* blobs.sizeBytes(digest, "tokenizer.json")
  if (fileBytes > MAX_FILE_BYTES)
    return yield* new TokenizerUnfit({
      detail: `tokenizer.json has ${fileBytes} bytes, and the edge reads ${MAX_FILE_BYTES}`,
    })
  makeRoom(Math.min(fileBytes, EDGE_TOKENIZER_BYTES))
  const reader = new TokenizerReader(EDGE_TOKENIZER_BYTES)
  let failure: ReferenceInvalid | TokenizerUnfit | undefined
  // A fault of bytes that are not the file's own is none of the file's: they are read to the end.
  yield* blobs.stream(digest, "tokenizer.json", (chunk) => {
    if (failure !== undefined) return
    try {
      reader.push(chunk)
    } catch (cause) {
      failure = refused(cause)
    }
  })
  if (failure !== undefined) return yield* failure
  const fields = yield* Effect.try({ try: () => reader.end(), catch: refused })
  return { fields, bytes: tokenizerBytes(reader.size) } satisfies ReadTokenizer
})
