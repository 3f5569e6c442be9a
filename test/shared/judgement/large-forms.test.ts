// A form of a labelling tool is read by looking for each answer among all fields: how many there may be is bounded, so that no delivery takes
// a worker's processor for long.
import { expect, test } from "vitest"
import { BOUNDS } from "#shared/domain/bounds.ts"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import type { Reading } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"

const fieldsOf = (count: number) =>
  Object.fromEntries([["prompt", "q"], ...Array.from({ length: count - 1 }, (_, index) => [`f${index}`, ""])])

const labelStudio = (fields: number, result: readonly object[]) =>
  readLabelStudioEvent(
    {
      action: "ANNOTATION_CREATED",
      annotation: { id: 1, result },
      task: { id: 1, data: fieldsOf(fields) },
    },
    {},
  )
const choices = (labels: number) => [
  {
    ...{ type: "choices", from_name: "c", to_name: "prompt" },
    value: { choices: Array.from({ length: labels }, (_, index) => `label ${index}`) },
  },
]
const ranker = (places: number) => [
  {
    ...{ type: "ranker", from_name: "r", to_name: "items" },
    value: { ranker: { _: Array.from({ length: places }, (_, index) => `f${index}`) } },
  },
]
const argilla = (fields: number, questions: number) =>
  readArgillaEvent(
    {
      type: "response.created",
      data: {
        ...{ id: "x", status: "submitted" },
        values: Object.fromEntries(Array.from({ length: questions }, (_, index) => [`q${index}`, { value: "zz" }])),
        record: { id: "r", fields: fieldsOf(fields) },
      },
    },
    {},
  )

const refusalOf = ([read]: readonly Reading[]): string => (read?.kind === "refusal" ? read.refusal.message : "none")

test("more fields or answers than are read are refused at once, and as many as are read are read at once", () => {
  const most = BOUNDS.form
  const refused = (what: string, found: number) => `the record has ${found} ${what}, at most ${most} are read`
  expect(refusalOf(labelStudio(most + 1, choices(1)))).toBe(refused("fields", most + 1))
  expect(refusalOf(labelStudio(3, choices(most)))).toBe(refused("answers", most + 1))
  expect(refusalOf(labelStudio(3, ranker(most + 1)))).toBe(refused("answers", most + 1))
  expect(refusalOf(labelStudio(5000, choices(5000)))).toBe(refused("fields", 5000))
  expect(refusalOf(argilla(most + 1, 1))).toBe(refused("fields", most + 1))
  expect(refusalOf(argilla(3, most + 1))).toBe(refused("answers", most + 1))
  for (const read of [labelStudio(most, choices(most - 1)), labelStudio(most, ranker(most - 1)), argilla(most, most)])
    expect(refusalOf(read)).not.toMatch(/at most/)
  // What cannot be meant is told in a few names.
  for (const read of [labelStudio(most, choices(most - 1)), argilla(most, most)])
    expect(refusalOf(read).length).toBeLessThan(3000)
})

test.each([
  ["scores", (text: string) => ({ prompt: "q", responses: ["a", "b"], scores: [text, 1] })],
  ["overall scores", (text: string) => ({ instruction: "q", completions: [{ response: "a", overall_score: text }] })],
  ["messages as Python prints an array", (text: string) => ({ prompt: "q", chosen: `array(${text}`, rejected: "b" })],
])("a long run of spaces among %s is read at once", { timeout: 10_000 }, async (_, record) => {
  const read = await parsePreferenceRecord(record(`${" ".repeat(100_000)}x`)).catch((error: Error) => error.message)
  expect(JSON.stringify(read).length).toBeLessThan(500_000)
})
