import { expect, test } from "vitest"
import { faultOf, pairsOf, read } from "./read-record.ts"

const turns = (...texts: readonly string[]) => {
  return texts.map((text, i) => `\n\n${i % 2 === 0 ? "Human" : "Assistant"}: ${text}`).join("")
}

test("transcripts are split at their last answer, whatever stands in it", async () => {
  const record = {
    chosen: turns("a", "b", "c", "d\n\nHuman: not a turn of its own"),
    rejected: turns("a", "b", "c", "e"),
  }
  expect(await pairsOf(record)).toEqual([[" d\n\nHuman: not a turn of its own", " e"]])
  expect((await read(record)).pairs[0]!.prompt).toBe("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:")
})

test("transcripts that part before the last answer are dropped, since one prompt is not the other's", async () => {
  expect((await read({ chosen: turns("a", "b", "c", "d"), rejected: turns("a", "x", "c", "d") })).reasons).toEqual([
    "several-turns",
  ])
})

test("an empty answer is dropped, and a transcript without an answer is an error", async () => {
  expect((await read({ chosen: turns("a", "b"), rejected: "\n\nHuman: a\n\nAssistant:" })).reasons).toEqual(["empty"])
  expect(await faultOf({ chosen: "\n\nHuman: a", rejected: turns("a", "b") })).toContain("Assistant:")
})
