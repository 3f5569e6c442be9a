import { expect, test } from "vitest"
import { faultOf, pairsOf, read } from "./read-record.ts"

const record = {
  text: "Why is tea hot?",
  options: [
    { id: "A", text: "Because." },
    { id: "B", text: "It is not." },
    { id: "C", text: "Tea?" },
  ],
  accept: ["A"],
  answer: "accept",
  _input_hash: 1,
  _task_hash: 123,
  _annotator_id: "tea-ann1",
  _timestamp: 1793000000,
  config: { choice_style: "single" },
}

test("the accepted option is preferred to each other", async () => {
  expect(await pairsOf(record)).toEqual([
    ["Because.", "It is not."],
    ["Because.", "Tea?"],
  ])
  expect((await read(record)).pairs[0]!.id).toBe("123/tea-ann1/A>B")
  expect(await pairsOf({ ...record, accept: ["A", "C"] })).toEqual([
    ["Because.", "It is not."],
    ["Tea?", "It is not."],
  ])
})

test("ignored, rejected, unanswered and all-accepting tasks are dropped by reason", async () => {
  expect((await read({ ...record, answer: "ignore" })).reasons).toEqual(["discarded"])
  expect((await read({ ...record, answer: "reject" })).reasons).toEqual(["discarded"])
  expect((await read({ ...record, accept: [] })).reasons).toEqual(["unlabelled"])
  expect((await read({ ...record, accept: ["A", "B", "C"] })).reasons).toEqual(["tie"])
})

test("an accepted id without an option is an error", async () => {
  expect(await faultOf({ ...record, accept: ["Z"] })).toContain('names "Z", which is no option')
})

test("two options of one id are an error: which was accepted is open", async () => {
  const [first, ...others] = record.options
  const doubled = { ...record, options: [first, { ...others[0], id: first!.id }] }
  expect(await faultOf(doubled)).toBe('two of the candidates are called "A"; give each its own id')
})
