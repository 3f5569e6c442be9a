// What a reading of an Argilla response says beside the judgement: who, when, of which task; and the order of candidates.
import { expect, test } from "vitest"
import type { FormOptions } from "#shared/judgement/sources/annotation.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"

const event = (response: Readonly<Record<string, unknown>> = {}, record: Readonly<Record<string, unknown>> = {}) => ({
  type: "response.created",
  version: 1,
  data: {
    id: "r1",
    status: "submitted",
    values: { which: { value: "response_a" } },
    user: { id: "u1", username: "ann" },
    ...response,
    record: { fields: { response_a: "A", response_b: "B", prompt: "P" }, ...record },
  },
})

const comparisonOf = (json: unknown, options: FormOptions = {}) => {
  const [reading] = readArgillaEvent(json as Readonly<Record<string, unknown>>, options)
  if (reading?.kind !== "comparison") throw new Error(`it was read as ${JSON.stringify(reading)}`)
  return reading.comparison
}

test("the annotator is the user's name, else the user's id", () => {
  expect(comparisonOf(event()).annotator).toBe("ann")
  expect(comparisonOf(event({ user: { id: "u1", username: "" } })).annotator).toBe("u1")
  expect(comparisonOf(event({ user: undefined, user_id: "u2" })).annotator).toBe("u2")
})

test("the time is UTC where it says nothing, and absent where there is none", () => {
  expect(comparisonOf(event({ updated_at: "2026-11-01T10:00:00" })).labelledAt).toBe("2026-11-01T10:00:00Z")
  expect(comparisonOf(event({ updated_at: "2026-11-01T10:00:00+02:00" })).labelledAt).toBe("2026-11-01T10:00:00+02:00")
  expect(comparisonOf(event()).labelledAt).toBeUndefined()
})

test("the task is the metadata's or the field's text of that name, and no empty one", () => {
  const options = { task: "topic" }
  expect(comparisonOf(event({}, { metadata: { topic: "tea" } }), options).task).toBe("tea")
  expect(comparisonOf(event({}, { metadata: { topic: "" } }), options).task).toBeUndefined()
  expect(comparisonOf(event({}, { metadata: { topic: 7 } }), options).task).toBeUndefined()
  expect(comparisonOf(event({}, { metadata: { topic: "tea" } })).task).toBeUndefined()
})

test("a label names its response in any case, and candidates stand in the record's order", () => {
  const { candidates, judgement } = comparisonOf(event({ values: { which: { value: "Response_B" } } }))
  expect(candidates.map(({ id }) => id)).toEqual(["response_a", "response_b"])
  expect(judgement).toEqual({ kind: "choice", winner: "response_b" })
})

test("candidates of a ranking stand in the record's order too, its first field first, whatever was ranked first", () => {
  const value = ["response_b", "response_a"].map((name, index) => ({ value: name, rank: index + 1 }))
  const { candidates } = comparisonOf(event({ values: { order: { value } } }))
  expect(candidates.map(({ id }) => id)).toEqual(["response_a", "response_b"])
})
