// The error of a tokenizer's files.

/** The tokenizer's files cannot be used, or an id lies outside the model's vocabulary. */
export class InvalidTokenizer extends Error {
  readonly _tag = "InvalidTokenizer"
}
