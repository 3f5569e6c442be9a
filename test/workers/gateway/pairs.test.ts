import { beforeEach, describe, expect, it } from "vitest"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { bindings, call, comparison, DATASET, post, startWorld } from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/pairs`

interface Page {
  readonly items: readonly { readonly id: string; readonly status: string; readonly text?: unknown }[]
  readonly nextCursor?: string
}

/** A pair as the scorer writes it, of two candidates. */
const insertPair = async (
  comparisonId: string,
  text: { prompt: string; chosen: string; rejected: string },
  status = "ready",
  [chosen, rejected]: readonly [string, string] = ["a", "b"],
) => {
  const id = await sha256Hex(canonicalJson({ dataset: DATASET, ...text }))
  await bindings.DB.prepare(
    `INSERT INTO pairs (id, dataset_id, comparison_id, task, status, reason, weight, split, tokenizer_digest, prompt_tokens,
                        chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at,
                        chosen_candidate, rejected_candidate)
     VALUES (?, ?, ?, 'qa', ?, ?, 0.5, 'held-out', '', 3, 4, 5, '', '', 6, ?, ?)`,
  )
    .bind(id, DATASET, comparisonId, status, status === "dropped" ? "too long" : null, chosen, rejected)
    .run()
  return id
}

describe("the list of pairs", () => {
  it("tells each pair's status, reason, weight, split and lengths, and its text when asked", async () => {
    const text = { prompt: "Why is tea hot?", chosen: "Because the water was heated.", rejected: "It is not." }
    const { value } = await post<{ id: string }>(`/v1/datasets/${DATASET}/comparisons`, comparison("row-1"))
    const id = await insertPair(value.id, text)
    const item = {
      id,
      comparisonId: value.id,
      task: "qa",
      status: "ready",
      weight: 0.5,
      split: "held-out",
      votesFor: 1,
      votesAgainst: 0,
      promptTokens: 3,
      chosenTokens: 4,
      rejectedTokens: 5,
      createdAt: 6,
    }
    expect((await call("GET", PATH)).value).toEqual({ items: [item] })
    expect((await call("GET", `${PATH}?include=text`)).value).toEqual({ items: [{ ...item, text }] })
  })

  it("finds the text of the right pair among many candidates and many lines", async () => {
    const candidates = ["one", "two", "three"].map((response, index) => ({ id: String(index), response }))
    const ranked = (externalId: string) =>
      JSON.stringify({
        ...comparison(externalId),
        prompt: externalId,
        candidates,
        judgement: { kind: "ranking", ranks: { 0: 1, 1: 2, 2: 3 } },
      })
    await call("POST", `/v1/datasets/${DATASET}/comparisons/bulk`, {
      raw: [ranked("p1"), ranked("p2")].join("\n"),
      headers: { "content-type": "application/x-ndjson" },
      idempotencyKey: "bulk",
    })
    const listed = await call<{ items: { id: string; externalId: string }[] }>(
      "GET",
      `/v1/datasets/${DATASET}/comparisons`,
    )
    const second = listed.value.items.find(({ externalId }) => externalId === "p2")!
    const text = { prompt: "p2", chosen: "two", rejected: "three" }
    await insertPair(second.id, text, "ready", ["1", "2"])
    expect((await call<Page>("GET", `${PATH}?include=text`)).value.items[0]!.text).toEqual(text)
  })

  it("pages by id and filters by status", async () => {
    const { value } = await post<{ id: string }>(`/v1/datasets/${DATASET}/comparisons`, comparison("row-1"))
    const ids: string[] = []
    for (let index = 0; index < 5; index++)
      ids.push(
        await insertPair(
          value.id,
          { prompt: `${index}`, chosen: "a", rejected: "b" },
          index === 0 ? "dropped" : "ready",
        ),
      )
    const first = (await call<Page>("GET", `${PATH}?limit=3`)).value
    const second = (await call<Page>("GET", `${PATH}?limit=3&cursor=${first.nextCursor}`)).value
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids.toSorted())
    expect(second.nextCursor).toBeUndefined()
    const dropped = (await call<Page>("GET", `${PATH}?status=dropped`)).value.items
    expect(dropped).toMatchObject([{ id: ids[0], status: "dropped", reason: "too long" }])
    expect((await call("GET", `${PATH}?status=lost`)).status).toBe(400)
  })
})
