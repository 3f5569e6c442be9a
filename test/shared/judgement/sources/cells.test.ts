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
