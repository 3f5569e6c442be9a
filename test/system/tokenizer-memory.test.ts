// The largest tokenizer in use fits an edge isolate: loaded in workerd as the scorer loads it. Half a minute, so only in the full run.
import { expect, test } from "vitest"
import { tokenizerMemory } from "#test/bench/load/tokenizer-memory.ts"
import { isFullRun } from "#test/full-run.ts"
import { gemmaLike } from "#test/shared/tokenisation/large-tokenizers.ts"

test.runIf(isFullRun)("a tokenizer of Gemma 3's size is kept in no more than is counted for it", async () => {
  const { keptBytes, accountedBytes, peakBytes, fileBytes } = await tokenizerMemory(
    new TextEncoder().encode(gemmaLike()),
  )
  expect(fileBytes).toBeGreaterThan(30_000_000)
  expect(keptBytes).toBeLessThan(accountedBytes)
  expect(keptBytes).toBeGreaterThan(15_000_000)
  expect(peakBytes).toBeLessThan(60_000_000)
})
