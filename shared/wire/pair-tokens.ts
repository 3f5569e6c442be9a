// A pair as token ids, and as D1 stores it: one blob [prompt | chosen | rejected] and the three counts beside it.
// In memory a pair is three lists, everywhere: where the prompt ends is where its list ends, so nothing can disagree with it.
// The counts are the stored form alone, because they can be listed and summed without the ids; offsets stay inside a format.

export interface PairTokens {
  readonly promptIds: Uint32Array
  readonly chosenIds: Uint32Array
  readonly rejectedIds: Uint32Array
}

interface Counts {
  readonly prompt_tokens: number
  readonly chosen_tokens: number
  readonly rejected_tokens: number
}

/** The columns of `pairs` as they are written; the ids are u32 little-endian. */
export interface EncodedPairTokens extends Counts {
  readonly token_ids: ArrayBuffer
}

/** The columns as D1 answers them: a blob is an array of byte values, and a dropped pair has none. */
export interface PairTokenColumns extends Counts {
  readonly token_ids: readonly number[] | null
}

export const encodePairTokens = ({ promptIds, chosenIds, rejectedIds }: PairTokens): EncodedPairTokens => {
  const ids = [...promptIds, ...chosenIds, ...rejectedIds]
  const view = new DataView(new ArrayBuffer(4 * ids.length))
  ids.forEach((id, index) => {
    view.setUint32(4 * index, id, true)
  })
  return {
    token_ids: view.buffer,
    prompt_tokens: promptIds.length,
    chosen_tokens: chosenIds.length,
    rejected_tokens: rejectedIds.length,
  }
}

/** The u32 of a blob as D1 answers it. */
export const wordsOf = (bytes: readonly number[]): Uint32Array => {
  const view = new DataView(Uint8Array.from(bytes).buffer)
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(4 * index, true))
}

/** The three lists, or undefined where there are no ids or not as many as the counts say. */
export const decodePairTokens = (row: PairTokenColumns): PairTokens | undefined => {
  const { token_ids: bytes, prompt_tokens: chosenStart, chosen_tokens, rejected_tokens } = row
  const rejectedStart = chosenStart + chosen_tokens
  if (bytes === null || bytes.length !== 4 * (rejectedStart + rejected_tokens)) return undefined
  const ids = wordsOf(bytes)
  return {
    promptIds: ids.subarray(0, chosenStart),
    chosenIds: ids.subarray(chosenStart, rejectedStart),
    rejectedIds: ids.subarray(rejectedStart),
  }
}
