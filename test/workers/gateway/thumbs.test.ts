// Thumbs by the API: verdicts on one answer, as comparisons and as rows of a bulk upload, and what a dataset says of its votes.
import { beforeEach, describe, expect, it } from "vitest"
import type { BulkReport } from "#shared/api/comparisons.ts"
import { bindings, call, DATASET, newKey, type Problem, post, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/comparisons`

const verdict = (value: string, candidates = [{ id: "a", response: "No idea." }]) => ({
  ...{ externalId: "thumb-1", prompt: "Where is my parcel?", candidates },
  judgement: { kind: "verdict", value },
})

const payloads = async () => {
  const places = await rows<{ payload_digest: string }>("SELECT DISTINCT payload_digest FROM comparisons")
  const texts = places.map(async ({ payload_digest }) => (await bindings.BLOBS.get(`blobs/${payload_digest}`))!.text())
  return (await Promise.all(texts)).flatMap((text) => text.split("\n").map((line) => JSON.parse(line)))
}

describe("a thumb", () => {
  it("is stored as the verdict on its answer, and listed as one", async () => {
    expect((await post(PATH, verdict("undesirable"))).status).toBe(202)
    expect(await payloads()).toEqual([verdict("undesirable")])
    expect((await call<{ items: object[] }>("GET", PATH)).value.items).toMatchObject([{ judgementKind: "verdict" }])
  })

  it("on several answers, or of another value, is refused with the mend", async () => {
    const two = [
      { id: "a", response: "one" },
      { id: "b", response: "two" },
    ]
    const several = await post<Problem>(PATH, verdict("desirable", two))
    expect([several.status, several.value]).toMatchObject([422, { reason: "unusable-judgement" }])
    expect((await post(PATH, verdict("fine"))).status).toBe(400)
    const choice = { ...verdict("desirable"), judgement: { kind: "choice", winner: "a" } }
    expect((await post<Problem>(PATH, choice)).value).toMatchObject({ reason: "too-few-candidates" })
  })

  it("comes as a labelled row of a bulk upload too", async () => {
    const row = { id: "thumb-1", prompt: "Where is my parcel?", completion: "No idea.", label: false }
    const { value } = await call<BulkReport>("POST", `${PATH}/bulk?format=rows`, {
      raw: JSON.stringify(row),
      headers: { "content-type": "application/x-ndjson" },
      idempotencyKey: newKey(),
    })
    expect(value).toMatchObject({ accepted: 1, rejectedLines: 0 })
    expect(await payloads()).toEqual([verdict("undesirable", [{ id: "response", response: "No idea." }])])
  })
})

it("a dataset tells how its labellers voted, and what its policy leaves out", async () => {
  const insert = (id: string, side: number, prompt: string | null, yes: number, no: number) => [
    bindings.DB.prepare(
      `INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
       VALUES (?1, ?2, 'api', ?1, 'choice', '', 0, 'paired', 0)`,
    ).bind(id, DATASET),
    bindings.DB.prepare(
      `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, prompt_tokens, chosen_tokens,
                          rejected_tokens, chosen_digest, rejected_digest, created_at, side, prompt_digest, votes_for, votes_against)
       VALUES (?1, ?2, ?1, 'ready', 1, 'train', '', 1, 1, 1, ?1, '', 0, ?3, ?4, ?5, ?6)`,
    ).bind(id, DATASET, side, prompt, yes, no),
  ]
  await bindings.DB.batch(
    [
      insert("single", 0, null, 1, 0),
      insert("agreed", 0, null, 3, 0),
      insert("more", 0, null, 2, 1),
      insert("fewer", 0, null, 1, 2),
      insert("up", 1, "p", 1, 0),
      insert("up too", 1, "p", 1, 0),
      insert("down", -1, "p", 1, 0),
      insert("down elsewhere", -1, "q", 1, 0),
    ].flat(),
  )
  const counts = async () =>
    (await call<{ counts: object }>("GET", `/v1/datasets/${DATASET}`)).value.counts as Record<string, unknown>
  const votes = { single: 1, agreed: 1, split: 2, leftOut: 1 }
  const verdicts = { desirable: 2, undesirable: 2, pairs: 1 }
  expect(await counts()).toMatchObject({ pairs: { ready: 4 }, votes, verdicts })
  expect((await call("GET", "/v1/status")).value).toMatchObject({ pairs: { ready: 4 } })
  await call("PATCH", `/v1/datasets/${DATASET}`, { json: { splitVotes: "drop" } })
  expect(await counts()).toMatchObject({ votes: { ...votes, leftOut: 2 } })
  await call("PATCH", `/v1/datasets/${DATASET}`, { json: { splitVotes: "weight" } })
  expect(await counts()).toMatchObject({ votes: { ...votes, leftOut: 0 } })
  const { value } = await post<{ splitVotes: string }>("/v1/datasets", {
    ...{ id: "fresh", referenceModel: { name: "tiny" }, splitVotes: "drop" },
  })
  expect(value.splitVotes).toBe("drop")
})
