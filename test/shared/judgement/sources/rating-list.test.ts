import { expect, test } from "vitest"
import { assistant, faultOf, pairsOf, read, user } from "./read-record.ts"

test("a rating list gives every two responses of different score, the higher chosen", async () => {
  expect(await pairsOf({ prompt: "q", responses: ["low", "high", "mid", "high2"], scores: [1, 9, 5, 9] })).toEqual([
    ["high", "mid"],
    ["high", "low"],
    ["high2", "mid"],
    ["high2", "low"],
    ["mid", "low"],
  ])
})

test("responses may be chat, and a response without a score takes no part", async () => {
  const record = { prompt: [user("q")], responses: [[assistant("a")], [assistant("b")], [assistant("c")]] }
  expect(await pairsOf({ ...record, scores: [0, null, 1] })).toEqual([["c", "a"]])
  expect((await read({ ...record, scores: [null, null, 1] })).reasons).toEqual(["unlabelled"])
})

test("generations with ratings, and UltraFeedback's completions with overall scores, are rating lists", async () => {
  expect(await pairsOf({ input: "q", generations: ["a", "b"], ratings: [2, 4], models: ["m", "n"] })).toEqual([
    ["b", "a"],
  ])
  const completion = (response: string, overall_score: number) => {
    return { response, overall_score, model: "m", critique: "c", annotations: {}, principle: "honesty" }
  }
  const record = {
    source: "s",
    instruction: "q",
    models: ["m"],
    completions: [completion("a", 7), completion("b", 3.5)],
  }
  expect(await pairsOf(record)).toEqual([["a", "b"]])
})

test("lists of different lengths, text among chat, and two prompts are errors", async () => {
  expect(await faultOf({ prompt: "q", responses: ["a", "b"], scores: [1] })).toContain(
    "one number for each of responses",
  )
  expect(await faultOf({ prompt: "q", responses: ["a", [assistant("b")]], scores: [1, 2] })).toContain(
    "must all be text",
  )
  expect(await faultOf({ prompt: "q", input: "r", responses: ["a", "b"], scores: [1, 2] })).toContain("given once")
})
