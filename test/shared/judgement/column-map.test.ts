import { expect, test } from "vitest"
import { mapColumns } from "#shared/judgement/column-map.ts"
import { readableFields } from "#shared/judgement/preference-rows.ts"

const fields = { id: 7, question: "q", good: "a", bad: "b", note: "x", tools: "[]" }
const columns = { prompt: "question", chosen: "good", rejected: "bad" }

test("named columns become the fields that are read, id and tools stay, and the others are unread", () => {
  expect(mapColumns(fields, columns)).toEqual({
    fields: { prompt: "q", chosen: "a", rejected: "b", id: 7, tools: "[]" },
    unread: ["note"],
  })
})

test("another column can be the id, or the id's column something else", () => {
  expect(mapColumns(fields, { ...columns, id: "note" })).toEqual({
    fields: { prompt: "q", chosen: "a", rejected: "b", id: "x", tools: "[]" },
    unread: ["id"],
  })
  expect(mapColumns(fields, { prompt: "id", chosen: "good", rejected: "bad" }).fields).toEqual({
    prompt: 7,
    chosen: "a",
    rejected: "b",
    tools: "[]",
  })
})

test("a named column that a row lacks is a fault, but for an id", () => {
  expect(() => mapColumns(fields, { ...columns, rejected: "worse" })).toThrow(
    "worse is missing; the map names this column for rejected",
  )
  expect(mapColumns(fields, { ...columns, id: "uuid" }).fields).not.toHaveProperty("uuid")
})

test("a column that the map leaves unread is told, and refused strictly", () => {
  expect(readableFields(fields, { columns }).unread).toEqual(["note"])
  expect(() => readableFields(fields, { columns, strict: true })).toThrow("note is an unknown field; remove it")
})
