// What an update of a Label Studio annotation may be: another judgement, or none any more; and whose texts it is about.
import { expect, test } from "vitest"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"

const event = (action: string, annotation: object, task: object = {}) => ({
  action,
  project: { id: 1 },
  task: { id: 5, data: { prompt: "P", answer1: "A", answer2: "B" }, ...task },
  annotation: { id: 17, task: 5, updated_at: "2026-11-01T11:00:00Z", result: [], ...annotation },
})
const read = (json: object) => readLabelStudioEvent(json, { responses: ["answer1", "answer2"] })

test("an annotation that was cleared takes its earlier judgement back, as of when it was cleared", () => {
  expect(read(event("ANNOTATION_UPDATED", {}))).toMatchObject([
    {
      kind: "retraction",
      reason: "no-judgement",
      retraction: { scope: "annotation", externalId: "17", at: "2026-11-01T11:00:00Z" },
    },
  ])
})

test("one that was never judged takes nothing back: it is refused, with what to name", () => {
  expect(read(event("ANNOTATION_CREATED", {}))).toMatchObject([{ kind: "refusal" }])
})

test("an annotation of another task than the one that was sent is refused: it would be read on that one's texts", () => {
  expect(() => read(event("ANNOTATION_CREATED", { task: 6 }))).toThrow(
    /^annotation\.task is 6, and the task that came with it is 5/,
  )
})
