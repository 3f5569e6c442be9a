// Files of votes, and what of them is refused.
import { expect, test } from "vitest"
import { readVotesFile } from "#shared/evaluation/calibration/votes-file.ts"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"

const read = (value: unknown) => readVotesFile(new TextEncoder().encode(JSON.stringify(value)))
const pair = { votes: [0, 0.5, 1], judged: [0.25, 1], len: [3, 4], lists: [0, 2] }

test("a pair has votes, two orders, and where they are known lengths and lists", () => {
  const { votes, judged } = pair
  expect(read({ judge: "j", pairs: [pair, { votes: [1], judged }] })).toEqual({
    judge: "j",
    pairs: [
      { votes, judged, lengths: [3, 4], listItems: [0, 2] },
      { votes: [1], judged, lengths: undefined, listItems: undefined },
    ],
  })
})

test.each([
  ["no object", [], /is no JSON object/],
  ["no pairs", {}, /has no list "pairs"/],
  ["an empty list", { pairs: [] }, /holds no pairs; judge some answers first/],
  ["no list", { pairs: 3 }, /has no list "pairs"/],
  ["a pair that is none", { pairs: [1] }, /pair 1 is no object/],
  ["no votes", { pairs: [pair, { ...pair, votes: [] }] }, /pair 2: "votes" is no list of 0/],
  ["a vote of 2", { pairs: [{ ...pair, votes: [2] }] }, /pair 1: "votes" is no list of 0/],
  ["one order", { pairs: [{ ...pair, judged: [1] }] }, /pair 1: "judged" is no list of two numbers/],
  ["a preference of 1.5", { pairs: [{ ...pair, judged: [1, 1.5] }] }, /pair 1: "judged" is no list of two numbers/],
  ["a negative length", { pairs: [{ ...pair, len: [-1, 2] }] }, /pair 1: "len" is no list of two lengths/],
  ["lists that are no counts", { pairs: [{ ...pair, lists: ["a", 2] }] }, /pair 1: "lists" is no list of two counts/],
])("%s is refused", (_, value, message) => {
  expect(() => read(value)).toThrow(UnusableJudgements)
  expect(() => read(value)).toThrow(message)
})
