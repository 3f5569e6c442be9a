// What a labelling tool sends beside what is read of it may be any JSON: a delivery says what its line in a file says.
import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import {
  argillaEvent,
  deliverPlain,
  deliverSigned,
  type Endpoint,
  labelStudioEvent,
  makeEndpoint,
} from "./deliveries.ts"
import { call, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

const NAMES = ["constructor", "__proto__", "prototype", "toString", "hasOwnProperty", "note", "\\ud83d", "\\u0000"]
const VALUES = [
  ...['"constructor"', '"\\ud83d"', '"a\\u0000b"', "1e999", "-1e999", "12345678901234567890", "null", "true"],
  ...['{"__proto__":{"id":1}}', '{"constructor":"x"}', '["\\udc00"]', `${"[".repeat(60)}${"]".repeat(60)}`],
]
const extras = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES), { minKeys: 1, maxKeys: 3 })

/** The JSON of an event, with fields of any JSON put into the object that `at` opens. */
const withExtras = (event: object, at: string, fields: Readonly<Record<string, string>>): string => {
  const added = Object.entries(fields).map(([name, value]) => `"${name}":${value},`)
  const json = JSON.stringify(event)
  expect(json).toContain(at)
  return json.replace(at, `${at}${added.join("")}`)
}

const statusOf = async (externalId: string) => {
  const stored = await rows<{ status: string }>(`SELECT status FROM comparisons WHERE external_id = '${externalId}'`)
  return stored.map(({ status }) => status)
}

const deliverText = ({ path, secret }: Endpoint, text: string) =>
  call<{ readonly status: string }>("POST", path, {
    raw: text,
    headers: { "content-type": "application/json", "x-yohaku-secret": secret },
    key: null,
  })

describe("a delivery", () => {
  it("of Label Studio is taken, and takes back, whatever stands in columns that nobody reads", async () => {
    const endpoint = await makeEndpoint("label-studio")
    let id = 100
    await fc.assert(
      fc.asyncProperty(extras, fc.constantFrom('"data":{', '"annotation":{', '"project":{'), async (fields, at) => {
        const said = withExtras(labelStudioEvent({ id: ++id }, { data: { prompt: `${id}?` } }), at, fields)
        expect((await parsePreferenceRecord(said)).pairs).toHaveLength(1)
        const taken = await deliverText(endpoint, said)
        expect([taken.status, taken.value?.status], taken.text).toEqual([202, "accepted"])
        const cancelled = labelStudioEvent(
          { id, was_cancelled: true, updated_at: "2026-11-02T10:00:00Z" },
          { action: "ANNOTATION_UPDATED" },
        )
        expect((await deliverText(endpoint, withExtras(cancelled, at, fields))).status).toBe(202)
        expect(await statusOf(String(id))).toEqual(["retracted"])
      }),
      { numRuns: 40 },
    )
  })

  it("of Argilla is taken whatever stands in its metadata, and so is one that is handed in", async () => {
    const endpoint = await makeEndpoint("argilla")
    let id = 0
    await fc.assert(
      fc.asyncProperty(extras, async (fields) => {
        const event = argillaEvent({ data: { id: `r${++id}` }, fields: { prompt: `${id}?` } })
        const said = withExtras(event, '"metadata":{', fields)
        const taken = await deliverSigned(endpoint, said)
        expect([taken.status, taken.value?.status], taken.text).toEqual([202, "accepted"])
        const json = { raw: said, headers: { "content-type": "application/json" } }
        const again = await call<{ status: string }>("POST", `/v1/webhooks/${endpoint.id}/deliveries`, json)
        expect([again.status, again.value?.status], again.text).toEqual([202, "duplicate"])
      }),
      { numRuns: 30 },
    )
  })

  it("is refused where what is read of it can be stored nowhere, and nothing is taken back for it", async () => {
    const endpoint = await makeEndpoint("label-studio")
    for (const [changes, data] of [
      [{}, { answer1: "half \ud83d" }],
      [{}, { prompt: "nul \0" }],
      [{ id: "a\0" }, {}],
      [{ completed_by: "b\ud83d" }, {}],
      [{ id: "c\0", was_cancelled: true }, {}],
    ] as const) {
      const answer = await deliverPlain(endpoint, labelStudioEvent(changes, { data }))
      expect(answer.status).toBe(422)
      expect(answer.text).toMatch(/cannot be stored: a string holds (?:a lone surrogate|the character NUL)/)
    }
    expect(await rows("SELECT * FROM retractions WHERE external_id != '17'")).toEqual([])
  })
})
