// What each tool's events say was taken back: of what, and when by the tool's clock.
import { describe, expect, test } from "vitest"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import type { Retraction } from "#shared/judgement/sources/retraction.ts"

const forGood = (scope: Retraction["scope"], externalId: string) => ({ scope, externalId, at: "for-good" })

describe("Label Studio", () => {
  const retractions = (event: object) =>
    readLabelStudioEvent(event, {}).flatMap((reading) => (reading.kind === "retraction" ? [reading.retraction] : []))

  test("takes back what is deleted for good, with its task or project, and what is skipped until it is said again", () => {
    const ids = [{ id: 1 }, { id: 2 }]
    expect(retractions({ action: "ANNOTATIONS_DELETED", annotations: ids })).toEqual(
      ["1", "2"].map((id) => forGood("annotation", id)),
    )
    expect(retractions({ action: "TASKS_DELETED", tasks: ids, project: { id: 3 } })).toEqual(
      ["1", "2"].map((id) => forGood("task", id)),
    )
    expect(retractions({ action: "PROJECT_DELETED", project: { id: 3 } })).toEqual([forGood("project", "3")])
    const skipped = { id: 1, was_cancelled: true, updated_at: "2026-11-01T10:00:00Z" }
    for (const action of ["ANNOTATION_UPDATED", "ANNOTATION_CREATED"])
      expect(retractions({ action, annotation: skipped })).toEqual([
        { scope: "annotation", externalId: "1", at: "2026-11-01T10:00:00Z" },
      ])
  })

  test("deleting nothing takes back nothing", () => {
    expect(retractions({ action: "TASKS_DELETED", tasks: [] })).toEqual([])
  })

  test.each([
    ["ANNOTATION_CREATED", "annotation"],
    ["ANNOTATION_UPDATED", "annotation"],
    ["ANNOTATIONS_CREATED", "annotation"],
    ["ANNOTATIONS_DELETED", "annotation"],
    ["ANNOTATION_DELETED", "annotation"],
    ["TASKS_DELETED", "tasks"],
    ["PROJECT_DELETED", "project"],
  ])("an %s that comes without its payload is refused: what it is about is not said", (action, field) => {
    expect(() => retractions({ action })).toThrow(
      `${field} is missing; turn on "Send payload" in the webhook's settings`,
    )
  })

  test("an event of another tool is said to be none", () => {
    expect(() => readLabelStudioEvent({ type: "response.created", data: {} }, {})).toThrow(
      "action must be text: this is no event of Label Studio; check which endpoint its sender has",
    )
    expect(() => readArgillaEvent({ action: "ANNOTATION_CREATED" }, {})).toThrow(
      "type must be text: this is no event of Argilla; check which endpoint its sender has",
    )
  })
})

describe("Argilla", () => {
  const retractions = (type: string, data: object) =>
    readArgillaEvent({ type, data }, {}).flatMap((reading) =>
      reading.kind === "retraction" ? [reading.retraction] : [],
    )

  test("takes back what is deleted for good, with its record or dataset, and drafts and discards until they are submitted", () => {
    expect(retractions("response.deleted", { id: "a" })).toEqual([forGood("annotation", "a")])
    expect(retractions("record.deleted", { id: "r" })).toEqual([forGood("task", "r")])
    expect(retractions("dataset.deleted", { id: "d" })).toEqual([forGood("project", "d")])
    for (const status of ["draft", "discarded"])
      expect(retractions("response.updated", { id: "a", status, updated_at: "2026-11-01T10:00:00.5" })).toEqual([
        { scope: "annotation", externalId: "a", at: "2026-11-01T10:00:00.5Z" },
      ])
  })

  test("a response that begins as a draft takes back nothing", () => {
    expect(retractions("response.created", { id: "a", status: "draft" })).toEqual([])
  })
})
