// A record with the annotations of several people says what each of them says alone: none hides what another says or takes back.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { sendableComparisons } from "#shared/judgement/sent-comparisons.ts"

/** What is said, taken back, dropped and refused, in any order. */
const saidBy = async (record: object) => {
  const stated = await parsePreferenceRecord(JSON.stringify(record))
  const sendables = await sendableComparisons(stated)
  return [
    ...sendables.map((one) => JSON.stringify(one)),
    ...stated.dropped.map(({ reason, detail }) => `${reason} ${detail}`),
    ...(stated.faults ?? []).map(({ message }) => message),
    ...stated.pairs.map(({ chosen, rejected }) => JSON.stringify([chosen, rejected])),
  ].toSorted()
}

const saidApart = async (records: readonly object[]) => (await Promise.all(records.map(saidBy))).flat().toSorted()

const data = { prompt: "Q?", answer_1: "one", answer_2: "two" }
const half = { ...data, answer_3: "\ud83d" }
const times = fc.constantFrom("2026-11-20T00:00:00Z", "2026-11-21T10:00:00Z", undefined)

const pairwise = (selected: string, to = "answer_1,answer_2") => [
  { type: "pairwise", from_name: "p", to_name: to, value: { selected } },
]
const choice = [{ type: "choices", from_name: "c", to_name: "prompt", value: { choices: ["unsure"] } }]
const results = fc.constantFrom<unknown>(
  ...[pairwise("left"), pairwise("right"), pairwise("left", "answer_2,answer_3"), pairwise("up")],
  ...[choice, [], [{ type: "ranker", from_name: "r", to_name: "x", value: { ranker: {} } }], "no list", [7]],
)
const annotations = fc
  .array(fc.record({ result: results, was_cancelled: fc.boolean(), updated_at: times }), { minLength: 1, maxLength: 5 })
  .map((list) => list.map((annotation, index) => ({ id: 200 + index, ...annotation })))

const answers = fc.constantFrom<unknown>("response_a", "response_b", "tie", "unsure", null, 7, [
  { value: "x", rank: 1 },
])
const statuses = fc.constantFrom("submitted", "submitted", "draft", "discarded")
const responses = fc.array(fc.record({ value: answers, status: statuses, updated_at: times }), {
  minLength: 1,
  maxLength: 5,
})

describe("the annotations of one record", () => {
  it("are each read as alone in a task of Label Studio", async () => {
    await fc.assert(
      fc.asyncProperty(annotations, fc.constantFrom(data, half), async (all, of) => {
        const task = (list: readonly object[]) => ({ id: 1, data: of, annotations: list })
        expect(await saidBy(task(all))).toEqual(await saidApart(all.map((one) => task([one]))))
      }),
      { numRuns: 300 },
    )
  })

  it("are each read as alone in a record of Argilla, of its API and of its nested export", async () => {
    const fields = { prompt: "Q?", response_a: "one", response_b: "two" }
    await fc.assert(
      fc.asyncProperty(responses, async (all) => {
        const api = (list: readonly object[]) => ({ id: "rec", fields, responses: list })
        const ofApi = all.map(({ value, ...rest }, index) => ({
          ...{ id: `resp-${index}`, user_id: `u${index}`, values: { q: { value } } },
          ...rest,
        }))
        expect(await saidBy(api(ofApi))).toEqual(await saidApart(ofApi.map((one) => api([one]))))
        const nested = (list: readonly object[]) => ({ id: "rec", fields, responses: { q: list } })
        const ofExport = all.map(({ value, status }, index) => ({ value, status, user_id: `u${index}` }))
        expect(await saidBy(nested(ofExport))).toEqual(await saidApart(ofExport.map((one) => nested([one]))))
      }),
      { numRuns: 300 },
    )
  })

  it("end or stay one by one: an unknown choice ends the one, a cancellation the other, and the third counts", async () => {
    const task = {
      id: 1,
      data,
      annotations: [
        { id: 201, result: choice, updated_at: "2026-11-21T00:00:00Z" },
        { id: 202, result: pairwise("left"), was_cancelled: true, updated_at: "2026-11-22T00:00:00Z" },
        { id: 203, result: pairwise("right"), updated_at: "2026-11-20T00:00:00Z" },
      ],
    }
    const sendables = await sendableComparisons(await parsePreferenceRecord(JSON.stringify(task)))
    expect(sendables.map((one) => ("comparison" in one ? one.comparison.externalId : one))).toEqual([
      { externalId: "201", at: "2026-11-21T00:00:00Z" },
      { externalId: "202", at: "2026-11-22T00:00:00Z" },
      "203",
    ])
  })
})
