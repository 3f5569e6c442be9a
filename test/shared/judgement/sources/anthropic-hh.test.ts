import { expect, test } from "vitest"
import { faultOf, pairsOf, read } from "./read-record.ts"

const turns = (...texts: readonly string[]) => {
  return texts.map((text, i) => `\n\n${i % 2 === 0 ? "Human" : "Assistant"}: ${text}`).join("")
}

test("transcripts are split at their last answer", async () => {
  const record = { chosen: turns("a", "b", "c", "d"), rejected: turns("a", "b", "c", "e") }
  expect(await pairsOf(record)).toEqual([[" d", " e"]])
  expect((await read(record)).pairs[0]!.prompt).toBe("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:")
})

test("a transcript that goes on after its last answer is dropped: the human's turn would be learnt as the assistant's", async () => {
  const chosen = turns("a", "b", "c", "d\n\nHuman: thanks")
  expect((await read({ chosen, rejected: turns("a", "b", "c", "e") })).reasons).toEqual(["several-turns"])
  const prompt = turns("a", "")
  const explicit = { prompt: `${prompt.trimEnd()}`, chosen: " d", rejected: " e\n\nHuman: f\n\nAssistant: g" }
  expect((await read(explicit)).reasons).toEqual(["several-turns"])
  const labelled = { prompt: explicit.prompt, completion: explicit.rejected, label: true }
  expect((await read(labelled)).reasons).toEqual(["several-turns"])
})

test("a text about transcripts is no transcript", async () => {
  const answer = "Write it as\n\nHuman: a\n\nAssistant: b"
  expect(await pairsOf({ prompt: "How is HH written?", chosen: answer, rejected: "No." })).toEqual([[answer, "No."]])
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
