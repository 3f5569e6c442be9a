// Whose an answer of an Argilla export is: people without an id are not one person, and one response has one name in every file.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { sendableComparisons } from "#shared/judgement/sent-comparisons.ts"

const fields = { prompt: "q", response_a: "a", response_b: "b" }

const readOf = async (record: object) => {
  const { pairs, comparisons = [], faults = [] } = await parsePreferenceRecord(JSON.stringify(record))
  return {
    chosen: pairs.map(({ chosen }) => chosen).toSorted(),
    people: comparisons.map(({ annotator }) => annotator),
    faults: faults.map(({ message }) => message),
  }
}

const nobody = fc.constantFrom<object>({ user_id: null }, {}, { user_id: "" }, { user_id: "None" }, { user_id: "null" })
const labels = fc.array(fc.constantFrom("response_a", "response_b"), { minLength: 2, maxLength: 4 })

describe("answers of people who are not told", () => {
  it("are each a judgement by itself, nested or flat, with users that say nothing or none", async () => {
    await fc.assert(
      fc.asyncProperty(
        labels,
        fc.array(nobody, { minLength: 4, maxLength: 4 }),
        fc.boolean(),
        async (said, users, has) => {
          const expected = said.map((label) => fields[label as "response_a"]).toSorted()
          const nested = { pref: said.map((value, index) => ({ value, ...users[index] })) }
          expect(await readOf({ id: "r", fields, responses: nested })).toMatchObject({ chosen: expected, faults: [] })
          const listed = said.map((_, index) => (users[index] as { user_id?: unknown }).user_id ?? null)
          const flat = { "pref.responses": said, ...(has ? { "pref.responses.users": listed } : {}) }
          const read = await readOf({ id: "r", status: "completed", _server_id: "s", ...fields, ...flat })
          expect(read).toEqual({ chosen: expected, people: said.map(() => undefined), faults: [] })
        },
      ),
      { numRuns: 100 },
    )
  })

  it("are no comparison where they are ratings, and one person's where each question has one answer", async () => {
    const rated = (a: readonly object[], b: readonly object[]) =>
      readOf({ id: "r", fields, responses: { response_a: a, response_b: b } })
    expect(await rated([{ value: 4, user_id: null }], [{ value: 2, user_id: null }])).toMatchObject({ chosen: ["a"] })
    const apart = await rated([{ value: 4 }, { value: 1 }], [{ value: 2 }, { value: 5 }])
    expect(apart.chosen).toEqual([])
    expect(new Set(apart.faults)).toEqual(
      new Set(
        ["response_a", "response_b"].map(
          (name) =>
            `responses.${name} holds ratings of several people and does not say whose they are; export the responses with their users`,
        ),
      ),
    )
  })
})

describe("one response of Argilla", () => {
  it("has one name in records of the API and in both exports, so that what is discarded in one is taken back", async () => {
    const names = async (record: object) =>
      (await sendableComparisons(await parsePreferenceRecord(JSON.stringify(record)))).map((one) =>
        "comparison" in one ? one.comparison.externalId : one,
      )
    const answer = { value: "response_b", user_id: "u1" }
    const api = (status: string) => ({
      ...{ id: "7f3a", external_id: "row-9", fields },
      responses: [{ id: "resp-1", user_id: "u1", status, values: { pref: { value: "response_b" } } }],
    })
    expect(await names(api("submitted"))).toEqual(["row-9/u1"])
    expect(await names(api("discarded"))).toEqual([{ externalId: "row-9/u1" }])
    expect(await names({ id: "row-9", fields, responses: { pref: [answer] } })).toEqual(["row-9/u1"])
    const flat = { "pref.responses": ["response_b"], "pref.responses.users": ["u1"] }
    expect(await names({ id: "row-9", status: "completed", ...fields, ...flat })).toEqual(["row-9/u1"])
  })
})
