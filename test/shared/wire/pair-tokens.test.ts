// Token ids of a pair as D1 stores them.
import { expect, it } from "vitest"
import { decodePairTokens, encodePairTokens, type PairTokens } from "#shared/wire/pair-tokens.ts"

const TOKENS: PairTokens = {
  promptIds: Uint32Array.of(1, 258),
  chosenIds: Uint32Array.of(0xffff_fffe),
  rejectedIds: Uint32Array.of(4, 5, 6),
}

/** As D1 answers a row that was written so. */
const stored = (tokens: PairTokens) => {
  const row = encodePairTokens(tokens)
  return { ...row, token_ids: [...new Uint8Array(row.token_ids)] }
}

it("are one blob of u32 little-endian, prompt before chosen before rejected, with the three counts beside it", () => {
  expect(stored(TOKENS)).toEqual({
    token_ids: [1, 0, 0, 0, 2, 1, 0, 0, 254, 255, 255, 255, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0],
    ...{ prompt_tokens: 2, chosen_tokens: 1, rejected_tokens: 3 },
  })
})

it("are read back as the three lists that were written", () => {
  expect(decodePairTokens(stored(TOKENS))).toEqual(TOKENS)
})

it("are none where the pair was dropped, or where the counts claim another number of ids", () => {
  const row = stored(TOKENS)
  expect(decodePairTokens({ ...row, token_ids: null })).toBeUndefined()
  for (const count of ["prompt_tokens", "chosen_tokens", "rejected_tokens"] as const) {
    expect(decodePairTokens({ ...row, [count]: row[count] + 1 })).toBeUndefined()
    expect(decodePairTokens({ ...row, [count]: row[count] - 1 })).toBeUndefined()
  }
  expect(decodePairTokens({ ...row, token_ids: row.token_ids.slice(1) })).toBeUndefined()
})
