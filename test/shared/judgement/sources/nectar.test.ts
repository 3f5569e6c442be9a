import { expect, test } from "vitest"
import { faultOf, pairsOf, read } from "./read-record.ts"

const answer = (text: string, rank: number) => ({ answer: text, model: `m-${text}`, rank })
const record = {
  prompt: "\n\nHuman: Why is tea hot?\n\nAssistant: ",
  answers: [answer("B", 2), answer("A", 1), answer("C", 2), answer("D", 4)],
  turns: 1,
  num_responses: 4,
  source: ["lmsys"],
  good_natured: true,
}

test("Nectar gives every two answers of different rank, the better one chosen", async () => {
  expect(await pairsOf(record)).toEqual([
    ["A", "B"],
    ["A", "C"],
    ["A", "D"],
    ["B", "D"],
    ["C", "D"],
  ])
})

test("pairs of a named record are named by their places in it", async () => {
  const { pairs } = await read({ ...record, id: "n1" })
  expect(pairs.map(({ id }) => id)).toEqual(["n1/1>0", "n1/1>2", "n1/1>3", "n1/0>3", "n1/2>3"])
})

test("an empty answer costs its pairs only, equal ranks are a tie, and a rank that is no number is an error", async () => {
  const withEmpty = { ...record, answers: [answer("A", 1), answer("B", 2), answer("", 3)] }
  expect(await pairsOf(withEmpty)).toEqual([["A", "B"]])
  expect((await read(withEmpty)).reasons).toEqual(["empty", "empty"])
  expect((await read({ ...record, answers: [answer("A", 1), answer("B", 1)] })).reasons).toEqual(["tie"])
  const broken = { ...record, answers: [{ ...answer("A", 1), rank: "first" }] }
  expect(await faultOf(broken)).toContain("answers.0.rank must be a number")
})
