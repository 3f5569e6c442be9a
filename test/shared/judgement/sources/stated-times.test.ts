// When something was said is read alike in every way in: what the service would refuse, a file refuses, by the name of the tool's field.
import { describe, expect, it } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { sendableComparisons } from "#shared/judgement/sent-comparisons.ts"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { readLabelStudioEvent } from "#shared/judgement/sources/label-studio.ts"
import { timeOf } from "#shared/judgement/time-of.ts"

const result = [{ type: "pairwise", from_name: "p", to_name: "answer_1,answer_2", value: { selected: "left" } }]
const data = { prompt: "q", answer_1: "a", answer_2: "b" }
const fields = { prompt: "q", response_a: "a", response_b: "b" }
const values = { pref: { value: "response_a" } }

const annotation = (time: string) => ({ id: 1, result, updated_at: time })
const task = (time: string) => ({ id: 9, data, annotations: [annotation(time)] })
const labelStudioEvent = (time: string) => ({
  ...{ action: "ANNOTATION_CREATED", annotation: annotation(time), task: { id: 9, data } },
})
const record = (time: string) => ({
  ...{ id: "r", fields, responses: [{ id: "x", user_id: "u", status: "submitted", values, updated_at: time }] },
})
const argillaEvent = (time: string) => ({
  type: "response.created",
  data: { id: "x", status: "submitted", values, updated_at: time, record: { id: "r", fields } },
})
const comparison = (time: string) => ({
  ...{
    externalId: "c",
    prompt: "q",
    candidates: [
      { id: "a", response: "1" },
      { id: "b", response: "2" },
    ],
  },
  ...{ judgement: { kind: "choice", winner: "a" }, labelledAt: time },
})

/** The time of the only judgement in a file, or why it is refused. */
const byFile = async (given: object) => {
  const stated = await parsePreferenceRecord(JSON.stringify(given)).catch((error: Error) => error.message)
  if (typeof stated === "string") return stated
  const [fault] = stated.faults ?? []
  if (fault !== undefined) return fault.message
  const [sent] = await sendableComparisons(stated)
  return sent !== undefined && "comparison" in sent ? timeOf(sent.comparison.labelledAt!) : sent
}

const byWebhook = ([read]: ReturnType<typeof readArgillaEvent>) =>
  read?.kind === "comparison" ? timeOf(read.comparison.labelledAt!) : read?.kind === "refusal" && read.refusal.message

describe("a stated time", () => {
  it.each(["2026-11-24T11:00:00Z", "2026-11-24 11:00:00+00:00", "2026-11-24 11:00:00", "2026-11-24 13:00:00.000+0200"])(
    "is the same by every way in: %s",
    async (time) => {
      for (const given of [task(time), labelStudioEvent(time), record(time), argillaEvent(time), comparison(time)])
        expect(await byFile(given)).toBe(Date.UTC(2026, 10, 24, 11))
      for (const read of [readLabelStudioEvent(labelStudioEvent(time), {}), readArgillaEvent(argillaEvent(time), {})])
        expect(byWebhook(read)).toBe(Date.UTC(2026, 10, 24, 11))
    },
  )

  it.each(["yesterday", "2026-02-30T00:00:00Z", "2999-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])(
    "that cannot be is refused by every way in, by its field: %s",
    async (time) => {
      for (const [field, outcome] of [
        ["annotation.updated_at", await byFile(task(time))],
        ["annotation.updated_at", await byFile(labelStudioEvent(time))],
        ["annotation.updated_at", byWebhook(readLabelStudioEvent(labelStudioEvent(time), {}))],
        ["updated_at", await byFile(record(time))],
        ["updated_at", await byFile(argillaEvent(time))],
        ["updated_at", byWebhook(readArgillaEvent(argillaEvent(time), {}))],
        ["labelledAt", await byFile(comparison(time))],
      ] as const)
        expect(outcome).toMatch(new RegExp(`^${field} must (?:be an ISO 8601|lie between 1970 and now)`))
    },
  )

  it("that cannot be keeps nothing from being taken back", () => {
    const cancelled = { action: "ANNOTATION_UPDATED", annotation: { ...annotation("soon"), was_cancelled: true } }
    expect(readLabelStudioEvent(cancelled, {})).toMatchObject([{ kind: "retraction", retraction: { externalId: "1" } }])
    const numbered = { ...cancelled, annotation: { ...cancelled.annotation, updated_at: 7 } }
    expect(readLabelStudioEvent(numbered, {})).toMatchObject([{ kind: "retraction", retraction: { at: undefined } }])
    const discarded = { type: "response.updated", data: { id: "x", status: "discarded", updated_at: 7 } }
    expect(readArgillaEvent(discarded, {})).toMatchObject([{ kind: "retraction", retraction: { externalId: "x" } }])
  })
})

describe("Label Studio's events", () => {
  it("hold annotations and tasks by either name, whose ids are the same as numbers and as text", () => {
    const task = { id: 19, data }
    const annotated = { id: 1, task: "19", result }
    for (const event of [
      { annotation: annotated, task },
      { annotations: [annotated], tasks: [task] },
      { annotation: [annotated], task: [task] },
      { annotations: [annotated], task },
    ])
      expect(readLabelStudioEvent({ action: "ANNOTATIONS_CREATED", ...event }, {})).toMatchObject([
        { kind: "comparison", comparison: { externalId: "1" }, place: { task: "19" } },
      ])
  })
})
