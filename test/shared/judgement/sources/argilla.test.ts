import { expect, test } from "vitest"
import { faultOf, pairsOf, read } from "./read-record.ts"

const fields = { prompt: "Why is tea hot?", response_a: "Because…", response_b: "It is not." }
const ranking = (a: number, b: number) => ({
  preference: {
    value: [
      { value: "response_a", rank: a },
      { value: "response_b", rank: b },
    ],
  },
})
const event = (values: unknown, status = "submitted", type = "response.created") => ({
  type,
  version: 1,
  timestamp: "2026-11-01T10:00:00.123456Z",
  data: {
    id: "6c1e",
    status,
    values,
    record: { id: "77aa", status: "pending", external_id: "row-9", metadata: { lang: "en" }, fields },
    user: { id: "u1", username: "ann1", role: "annotator" },
  },
})

test("a response event is a pair named by the response", async () => {
  expect((await read(event(ranking(1, 2)))).pairs).toEqual([
    { id: "6c1e", prompt: fields.prompt, chosen: "Because…", rejected: "It is not." },
  ])
  expect(await pairsOf(event({ which: { value: "response_b" } }))).toEqual([["It is not.", "Because…"]])
  expect(await pairsOf(event({ response_a_rating: { value: 2 }, response_b_rating: { value: 4 } }))).toEqual([
    ["It is not.", "Because…"],
  ])
})

test("equal ranks, drafts, discarded and deleted responses, and events without a judgement are dropped by reason", async () => {
  expect((await read(event(ranking(1, 1)))).reasons).toEqual(["tie"])
  expect((await read(event({ which: { value: "tie" } }))).reasons).toEqual(["tie"])
  expect((await read(event(ranking(1, 2), "draft"))).reasons).toEqual(["draft"])
  expect((await read(event(ranking(1, 2), "discarded"))).reasons).toEqual(["discarded"])
  expect((await read(event({}, "submitted", "response.deleted"))).reasons).toEqual(["deleted"])
  expect((await read(event({}, "submitted", "record.completed"))).reasons).toEqual(["no-judgement"])
  expect((await read(event({ comment: { value: 7 } }))).reasons).toEqual(["no-judgement"])
})

test("a record's responses are one pair an annotator, as exports and as the API have them", async () => {
  const exported = {
    id: "row-9",
    fields,
    metadata: {},
    suggestions: { preference: { value: ["response_b", "response_a"], score: null, agent: "m" } },
    responses: {
      preference: [
        { value: ["response_a", "response_b"], user_id: "u1" },
        { value: ["response_b", "response_a"], user_id: "u2" },
      ],
      comment: [{ value: "hm", user_id: "u1" }],
    },
    vectors: {},
    _server_id: "77aa",
  }
  const { pairs } = await read(exported)
  expect(pairs.map(({ id, chosen }) => [id, chosen])).toEqual([
    ["row-9/u1", "Because…"],
    ["row-9/u2", "It is not."],
  ])
  const fromApi = {
    id: "77aa",
    fields,
    responses: [
      { id: "r1", status: "submitted", values: ranking(2, 1), user_id: "u1" },
      { id: "r2", status: "draft", values: ranking(1, 2), user_id: "u2" },
    ],
  }
  const { pairs: own, reasons } = await read(fromApi)
  expect(own.map(({ id, chosen }) => [id, chosen])).toEqual([["77aa/u1", "It is not."]])
  expect(reasons).toEqual(["draft"])
  expect((await read({ ...fromApi, responses: [] })).reasons).toEqual(["unlabelled"])
})

test("fields whose names cannot be understood are errors that say what to rename", async () => {
  expect(await faultOf(event({ which: { value: "good" } }))).toContain('was labelled "good", which is no field')
  const { prompt: _, ...others } = fields
  const odd = { id: "x", fields: { ...others, ask: "q" }, responses: [{ status: "submitted", values: ranking(1, 2) }] }
  expect(await faultOf(odd)).toContain("rename the prompt's field")
})
