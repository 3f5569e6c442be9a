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

test("one that was never judged is refused, with what to name", () => {
  expect(read(event("ANNOTATION_CREATED", {}))).toMatchObject([{ kind: "refusal" }])
})

test("whatever is refused ends what the annotation said before that, and not what it says at that time", () => {
  const comment = { type: "textarea", from_name: "note", to_name: "answer1", value: { text: ["hm"] } }
  for (const changed of [{ result: [comment] }, { result: "none" }, { task: 6, result: [comment] }])
    expect(read(event("ANNOTATION_UPDATED", changed))).toMatchObject([
      {
        kind: "refusal",
        replaced: { scope: "version", externalId: "17", at: "2026-11-01T11:00:00Z" },
      },
    ])
})

test("an annotation of another task than the one that was sent is refused: it would be read on that one's texts", () => {
  const [refused] = read(event("ANNOTATION_CREATED", { task: 6 }))
  expect(refused).toMatchObject({
    kind: "refusal",
    refusal: { message: expect.stringMatching(/^annotation\.task is 6, and the task that came with it is 5/) },
  })
})
