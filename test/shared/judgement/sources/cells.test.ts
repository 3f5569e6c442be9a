// Lists and objects in the cells of a table: read as what they say, or refused, and never as the text of an answer.
import { expect, test } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"

const refusal = (fields: Readonly<Record<string, unknown>>): Promise<string> =>
  parsePreferenceRecord(fields).then(
    () => "none",
    (error: Error) => error.message,
  )

test("numbers in a cell are numbers, however they are written", async () => {
  const { pairs } = await parsePreferenceRecord({
    prompt: "p",
    responses: '["a", "b"]',
    scores: "[4.0, 3.5]",
  })
  expect(pairs.map(({ chosen, rejected }) => [chosen, rejected])).toEqual([["a", "b"]])
})

test("a key that stands twice in a cell's object is refused by name", async () => {
  const judgement = '{"kind":"choice","winner":"a","winner":"b"}'
  const candidates = '[{"id":"a","response":"x"},{"id":"b","response":"y"}]'
  expect(await refusal({ externalId: "1", prompt: "p", candidates, judgement })).toMatch(/^winner is there twice/)
})

test("a cell that nests without end is refused, and is no error of the program", async () => {
  const deep = "[".repeat(5000) + "]".repeat(5000)
  expect(await refusal({ prompt: "p", responses: deep, scores: "[1,2]" })).toMatch(/nests deeper than 128 levels/)
})

test("messages as Python or NumPy prints them are refused, in the prompt too", async () => {
  const printed = "[{'role': 'user', 'content': 'q'}]"
  expect(await refusal({ prompt: printed, chosen: "yes", rejected: "no" })).toMatch(/as Python prints it/)
  const array = "array([{'content': 'x', 'role': 'user'}], dtype=object)"
  expect(await refusal({ prompt: "p", chosen: array, rejected: array })).toMatch(/as Python prints it/)
})

test("a key that stands twice in tools, or in the call of a message, that a cell holds as text is refused by name", async () => {
  const [prompt, chosen, rejected] = ["user", "assistant", "assistant"].map((role, index) => [
    { role, content: `${index}` },
  ])
  expect(await refusal({ prompt, chosen, rejected, tools: '[{"name":"f","name":"g"}]' })).toMatch(
    /^name is there twice/,
  )
  const call = { from: "function_call", value: '{"name":"f","arguments":{},"name":"g"}' }
  expect(await refusal({ conversations: [{ from: "human", value: "q" }], chosen: call, rejected: call })).toMatch(
    /^name is there twice/,
  )
})

test("responses that differ in the indentation of their first line are a pair; in other outer space they are one text", async () => {
  const reasons = async (chosen: string, rejected: string) =>
    (await parsePreferenceRecord({ prompt: "def f():", chosen, rejected })).dropped.map(({ reason }) => reason)
  expect(await reasons("    return 1", "return 1")).toEqual([])
  expect(await reasons("\treturn 1", "return 1\n")).toEqual([])
  expect(await reasons("\n  return 1", "  return 1 ")).toEqual(["identical"])
  expect(await reasons(" yes\n", "yes")).toEqual(["identical"])
})
