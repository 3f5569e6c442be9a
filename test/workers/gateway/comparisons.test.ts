import { beforeEach, describe, expect, it } from "vitest"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import {
  bindings,
  call,
  comparison,
  countOf,
  DATASET,
  makeKey,
  newKey,
  type Problem,
  post,
  rows,
  startWorld,
  stored,
} from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/comparisons`

interface Accepted {
  readonly id: string
  readonly status: string
}

const send = (value: Comparison, idempotencyKey = newKey()) => post<Accepted>(PATH, value, { idempotencyKey })

const statuses = async () =>
  Object.fromEntries(
    (await rows<{ id: string; status: string }>("SELECT id, status FROM comparisons")).map(({ id, status }) => [
      id,
      status,
    ]),
  )

describe("one comparison", () => {
  it("is stored as a row, an outbox row and a payload blob, and answered 202", async () => {
    const before = await stored()
    const answer = await send(comparison("row-1"))
    expect([answer.status, answer.value.status]).toEqual([202, "accepted"])
    const [row] = await rows<{ id: string; payload_digest: string; payload_line: number }>("SELECT * FROM comparisons")
    expect(row).toMatchObject({
      id: answer.value.id,
      dataset_id: DATASET,
      source: "api",
      external_id: "row-1",
      judgement_kind: "choice",
      status: "received",
      payload_line: 0,
    })
    const blob = await bindings.BLOBS.get(`blobs/${row!.payload_digest}`)
    expect(await blob!.text()).toBe(canonicalJson(comparison("row-1")))
    expect(await rows("SELECT * FROM outbox")).toMatchObject([{ comparison_id: answer.value.id }])
    expect(await stored()).toEqual({ comparisons: 1, outbox: 1, blobs: before.blobs + 1 })
  })

  it("has the digest of dataset, source, external id and content as its id", async () => {
    const content = await sha256Hex(canonicalJson(comparison("row-1")))
    const expected = await sha256Hex(canonicalJson({ content, dataset: DATASET, externalId: "row-1", source: "api" }))
    expect((await send(comparison("row-1"))).value.id).toBe(expected)
  })

  it("is taken with text and messages mixed: the form is the dataset's", async () => {
    const mixed = comparison("row-1", { prompt: [{ role: "user", content: "Why is tea hot?" }] })
    const answer = await post<{ status: string }>(PATH, mixed)
    expect([answer.status, answer.value.status]).toEqual([202, "accepted"])
  })

  it("is a duplicate the second time, and nothing is stored twice", async () => {
    const first = await send(comparison("row-1"))
    const before = await stored()
    const second = await send(comparison("row-1"))
    expect(second).toMatchObject({ status: 202, value: { id: first.value.id, status: "duplicate" } })
    expect(await stored()).toEqual(before)
  })

  it("supersedes the earlier judgement of the same thing and retracts its pairs, in one step", async () => {
    const first = await send(comparison("row-1"))
    await bindings.DB.prepare(
      `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, prompt_tokens,
                          chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
       VALUES ('p', ?, ?, 'ready', 1, 'train', '', 1, 1, 1, '', '', 0)`,
    )
      .bind(DATASET, first.value.id)
      .run()
    const second = await send(comparison("row-1", { judgement: { kind: "choice", winner: "b" } }))
    expect(await statuses()).toEqual({ [first.value.id]: "superseded", [second.value.id]: "received" })
    expect(await rows("SELECT status FROM pairs")).toEqual([{ status: "retracted" }])
  })

  it("does not supersede a judgement that was made later, though it arrived before", async () => {
    const late = await send(comparison("row-1", { labelledAt: "2026-11-24T10:00:00Z" }))
    const early = await send(
      comparison("row-1", { labelledAt: "2026-11-24T09:00:00Z", judgement: { kind: "choice", winner: "b" } }),
    )
    expect(early.value.status).toBe("superseded")
    expect(await statuses()).toEqual({ [late.value.id]: "received", [early.value.id]: "superseded" })
    expect(await rows("SELECT comparison_id FROM outbox")).toEqual([{ comparison_id: late.value.id }])
  })

  it("leaves the same external id in another dataset alone", async () => {
    await post("/v1/datasets", { id: "other", referenceModel: { name: "tiny" } })
    const here = await send(comparison("row-1"))
    await post("/v1/datasets/other/comparisons", comparison("row-1", { judgement: { kind: "tie" } }))
    expect((await statuses())[here.value.id]).toBe("received")
  })
})

describe("an Idempotency-Key", () => {
  it("gets the stored answer byte for byte, and has one effect", async () => {
    const first = await send(comparison("row-1"), "same")
    const again = await send(comparison("row-1"), "same")
    expect([again.status, again.text]).toEqual([first.status, first.text])
    expect(again.value.status).toBe("accepted")
    expect(await countOf("comparisons")).toBe(1)
  })

  it("has one effect when twenty requests come at once", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(comparison("row-1"), "same")))
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(answers[0]!.value.status).toBe("accepted")
    expect(await countOf("comparisons")).toBe(1)
    expect(await countOf("outbox")).toBe(1)
  })

  it("is refused with another body, and nothing is stored", async () => {
    await send(comparison("row-1"), "same")
    const before = await stored()
    const refused = await post<Problem>(PATH, comparison("row-2"), { idempotencyKey: "same" })
    expect([refused.status, refused.value.type]).toEqual([422, "urn:yohaku:problem:idempotency-key-reused"])
    expect(await stored()).toEqual(before)
  })

  it("is needed, and must be printable and at most 255 characters", async () => {
    for (const idempotencyKey of [undefined, "", "with space", "x".repeat(256)]) {
      const refused = await call<Problem>("POST", PATH, {
        json: comparison("row-1"),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      })
      expect([refused.status, refused.value.type]).toEqual([400, "urn:yohaku:problem:idempotency-key-missing"])
    }
    expect(await countOf("comparisons")).toBe(0)
  })

  it("belongs to the API key that sent it", async () => {
    const other = await makeKey("ingest")
    await send(comparison("row-1"), "same")
    const theirs = await post<Accepted>(PATH, comparison("row-2"), { idempotencyKey: "same", key: other })
    expect(theirs.value.status).toBe("accepted")
  })
})

describe("twenty different requests with the same comparison at once", () => {
  it("store it once, and count the others as duplicates", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(comparison("row-1"))))
    expect(answers.filter(({ value }) => value.status === "accepted")).toHaveLength(1)
    expect(answers.filter(({ value }) => value.status === "duplicate")).toHaveLength(19)
    expect(await countOf("comparisons")).toBe(1)
  })
})

describe("the list of comparisons", () => {
  it("pages by cursor, each item once, while new ones come in", async () => {
    for (let index = 0; index < 7; index++) await send(comparison(`row-${index}`))
    const seen: string[] = []
    let cursor = ""
    for (let page = 0; page < 10; page++) {
      const { value } = await call<{ items: { externalId: string }[]; nextCursor?: string }>(
        "GET",
        `${PATH}?limit=3${cursor}`,
      )
      seen.push(...value.items.map(({ externalId }) => externalId))
      if (page === 0) await send(comparison("row-late"))
      if (value.nextCursor === undefined) break
      cursor = `&cursor=${value.nextCursor}`
    }
    expect(seen.toSorted()).toEqual([...Array.from({ length: 7 }, (_, index) => `row-${index}`), "row-late"].toSorted())
  })

  it("refuses a cursor that it did not give out", async () => {
    for (const cursor of ["nonsense", "bnVsbA", "!!!"]) {
      const refused = await call<Problem>("GET", `${PATH}?cursor=${cursor}`)
      expect([refused.status, refused.value.type]).toEqual([400, "urn:yohaku:problem:invalid-cursor"])
    }
  })

  it("refuses a limit out of range and an unknown parameter, naming it", async () => {
    for (const query of ["limit=0", "limit=101", "limit=x", "offset=3"]) {
      const refused = await call<Problem>("GET", `${PATH}?${query}`)
      expect([refused.status, refused.value.type]).toEqual([400, "urn:yohaku:problem:invalid-request"])
      expect(refused.value.detail).toContain(`query.${query.split("=")[0]}`)
    }
  })
})
