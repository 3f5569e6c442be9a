// Deliveries that users of labelling tools reported, to the running gateway: what is stored, and what is refused with the mend.
// The inputs and the rows' numbers are those of test/faults.
import { beforeEach, describe, expect, it } from "vitest"
import ratings from "../../faults/inputs/01-ls-two-rating-criteria.json?raw"
import bothBad from "../../faults/inputs/03-ls-both-are-bad.json?raw"
import skipped from "../../faults/inputs/04-ls-skip-after-submit.jsonl?raw"
import twoServers from "../../faults/inputs/05-ls-second-server-same-id.jsonl?raw"
import inBulk from "../../faults/inputs/06-ls-annotations-created.json?raw"
import commentFirst from "../../faults/inputs/10-argilla-comment-first-webhook.json?raw"
import marked from "../../faults/inputs/45-body-with-bom.json?raw"
import ranker from "../../faults/inputs/ranker-by-webhook.json?raw"
import { deliverPlain, deliverSigned, makeEndpoint } from "./deliveries.ts"
import { bindings, call, DATASET, newKey, type Problem, rows, startWorld, stored } from "./world.ts"

beforeEach(startWorld)

const labelStudio = (mapping: object = {}) => makeEndpoint("label-studio", mapping)

interface Stored {
  readonly external_id: string
  readonly status: string
  readonly payload_digest: string
  readonly payload_line: number | null
}

/** What is stored, in the order in which it came: the tool's id, the status, prompt, judgement. */
const judgements = async () => {
  const found = await rows<Stored>(
    "SELECT external_id, status, payload_digest, payload_line FROM comparisons ORDER BY rowid",
  )
  return Promise.all(
    found.map(async ({ external_id, status, payload_digest, payload_line }) => {
      const text = await (await bindings.BLOBS.get(`blobs/${payload_digest}`))!.text()
      const { prompt, judgement } = JSON.parse(text.split("\n")[payload_line ?? 0]!)
      return [external_id, status, prompt, judgement]
    }),
  )
}

const left = { kind: "choice", winner: "answer_1" }
const right = { kind: "choice", winner: "answer_2" }

describe("by webhook", () => {
  it("row 01: two criteria that rate the same answers are refused with their names, and the named one is read", async () => {
    const before = await stored()
    const refused = await deliverPlain(await labelStudio(), JSON.parse(ratings))
    expect([refused.status, refused.value.type, refused.value.detail]).toEqual([
      422,
      "urn:yohaku:problem:unusable-delivery",
      "Several answers could be meant: helpful_1 with helpful_2, style_1 with style_2; name the one to read in the mapping's `question`.",
    ])
    expect(await stored()).toEqual(before)
    await deliverPlain(await labelStudio({ question: "helpful" }), JSON.parse(ratings))
    await deliverPlain(await labelStudio({ question: "style" }), JSON.parse(ratings))
    const scores = (answer_1: number, answer_2: number) => ({ kind: "rating", scores: { answer_1, answer_2 } })
    expect(await judgements()).toEqual([
      ["306", "received", "Q?", scores(5, 2)],
      ["306", "received", "Q?", scores(1, 4)],
    ])
  })

  it("row 03: 'Both are bad' beside a side is a tie of bad quality", async () => {
    expect((await deliverPlain(await labelStudio(), JSON.parse(bothBad))).value).toEqual({ status: "accepted" })
    expect(await judgements()).toEqual([["302", "received", "Q?", { kind: "tie", quality: "bad" }]])
  })

  it("row 03: 'Equally good' is a tie, and a choice that nobody knows is refused", async () => {
    const endpoint = await labelStudio()
    const says = (choice: string) => JSON.parse(bothBad.replace("Both are bad", choice))
    expect((await deliverPlain(endpoint, says("Rather odd"))).status).toBe(422)
    await deliverPlain(endpoint, says("Equally good"))
    expect(await judgements()).toEqual([["302", "received", "Q?", { kind: "tie", quality: "good" }]])
  })

  it("row 04: an annotation that is skipped after it was submitted is taken back", async () => {
    const endpoint = await labelStudio()
    const [created, updated] = skipped
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    await deliverPlain(endpoint, created)
    expect(await judgements()).toEqual([["101", "received", "Q?", left]])
    expect((await deliverPlain(endpoint, updated)).value).toEqual({ status: "accepted", reason: "retracted" })
    expect(await judgements()).toEqual([["101", "retracted", "Q?", left]])
  })

  it.each([
    ["first", 0],
    ["last", 1],
  ])(
    "row 05: the same annotation id of two servers is two judgements, the older of them delivered %s",
    async (_, at) => {
      const lines = twoServers.trim().split("\n")
      for (const line of at === 0 ? lines : lines.toReversed())
        expect((await deliverPlain(await labelStudio(), JSON.parse(line).body)).value).toEqual({ status: "accepted" })
      const both = [
        ["101", "received", "Q1?", left],
        ["101", "received", "Q9?", right],
      ]
      expect(await judgements()).toEqual(at === 0 ? both : both.toReversed())
    },
  )

  it("row 06: annotations that were made in bulk are all taken, each of its own task", async () => {
    expect((await deliverPlain(await labelStudio(), JSON.parse(inBulk))).value).toEqual({ status: "accepted" })
    expect(await judgements()).toEqual([
      ["201", "received", "Q2?", left],
      ["202", "received", "Q3?", right],
    ])
  })

  it("row 10: a comment before the label is no label", async () => {
    const sent = JSON.parse(commentFirst)
    const delivery = { ...sent, timestamp: new Date().toISOString() }
    expect((await deliverSigned(await makeEndpoint("argilla"), delivery)).value).toEqual({ status: "accepted" })
    const said = { kind: "choice", winner: "response_a" }
    expect(await judgements()).toEqual([["r1", "received", "What is tea?", said]])
  })

  it("Label Studio's Ranker is read as in a file", async () => {
    expect((await deliverPlain(await labelStudio(), JSON.parse(ranker))).value).toEqual({ status: "accepted" })
    expect(await judgements()).toEqual([["401", "received", "Q?", { kind: "ranking", ranks: { a: 2, b: 1 } }]])
  })
})

describe("row 45: a byte order mark before the body", () => {
  const said = ["bom1", "received", "Tea?", { kind: "choice", winner: "a" }]

  it("is passed over in one comparison", async () => {
    expect(marked.charCodeAt(0)).toBe(0xfeff)
    const answer = await call<Problem>("POST", `/v1/datasets/${DATASET}/comparisons`, {
      raw: new TextEncoder().encode(marked),
      headers: { "content-type": "application/json" },
      idempotencyKey: newKey(),
    })
    expect(answer.status).toBe(202)
    expect(await judgements()).toEqual([said])
  })

  it("is passed over before the first line of many", async () => {
    const second = marked.slice(1).replace("bom1", "bom2")
    const answer = await call<{ accepted: number }>("POST", `/v1/datasets/${DATASET}/comparisons/bulk`, {
      raw: new TextEncoder().encode(`${marked}\n${second}`),
      headers: { "content-type": "application/x-ndjson" },
      idempotencyKey: newKey(),
    })
    expect(answer.status).toBe(202)
    expect(await judgements()).toEqual([said, ["bom2", ...said.slice(1)]])
  })
})
