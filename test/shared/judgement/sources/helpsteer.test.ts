import { expect, test } from "vitest"
import { assistant, faultOf, read, user } from "./read-record.ts"

const record = {
  domain: "general",
  language: "english",
  context: [user("a"), assistant("b"), user("Why?")],
  response1: "Because.",
  response2: "It is not.",
  overall_preference: -2,
  individual_preference: [{ score: -2, reasoning: "made up", feedback1: "x", feedback2: "y" }],
}

test("HelpSteer3's sign says which response, its size how strongly", async () => {
  const [first, second] = [[assistant("Because.")], [assistant("It is not.")]]
  expect((await read(record)).pairs).toMatchObject([
    { prompt: record.context, chosen: first, rejected: second, strength: 2 },
  ])
  expect((await read({ ...record, overall_preference: 3 })).pairs).toMatchObject([
    { chosen: second, rejected: first, strength: 3 },
  ])
})

test("no preference is a tie, and one outside of -3 to 3 an error", async () => {
  expect((await read({ ...record, overall_preference: 0 })).reasons).toEqual(["tie"])
  for (const overall_preference of [4, -3.5, "x"]) {
    expect(await faultOf({ ...record, overall_preference })).toContain("overall_preference must be a")
  }
})

test("a row without a preference is dropped: null, an empty cell, NaN, or left out as tables do", async () => {
  const { overall_preference: _, ...unjudged } = record
  for (const row of [unjudged, ...[null, "", "  "].map((overall_preference) => ({ ...unjudged, overall_preference }))])
    expect((await read(row)).reasons).toEqual(["unlabelled"])
})

test("HelpSteer2-preference has its prompt as text", async () => {
  const two = { split: "train", prompt: "Why?", response_1: "x", response_2: "y", preference_strength: "1" }
  expect((await read(two)).pairs).toMatchObject([
    { prompt: [user("Why?")], chosen: [assistant("y")], rejected: [assistant("x")], strength: 1 },
  ])
})

test("without its context a row of HelpSteer3 is told that it is missing", async () => {
  expect(await faultOf({ prompt: "q", response1: "a", response2: "b", overall_preference: 2 })).toBe(
    "context is missing; give a list of messages",
  )
})
