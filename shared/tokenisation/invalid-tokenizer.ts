// The errors of a tokenizer's files.

/** The tokenizer's files cannot be used, or an id lies outside the model's vocabulary. */
export class InvalidTokenizer extends Error {
  readonly _tag = "InvalidTokenizer"
}

/** What is said of a key that one object of a file holds twice. */
export const repeatedKey = (key: string): string =>
  `holds ${JSON.stringify(key)} twice, and which counts would depend on the reader; remove one`
