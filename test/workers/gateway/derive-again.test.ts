// Another maxLength: comparisons of pairs that were too long, or are now, are set on their way again, and no others; nobody is asked.
import { beforeEach, describe, expect, it } from "vitest"
import { deriveAgain } from "#workers/gateway/outbox/derive-again.ts"
import { bindings, call, DATASET, type Problem, relaySettled, ringRelay, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

const setLength = (maxLength: number) => call<Problem>("PATCH", `/v1/datasets/${DATASET}`, { json: { maxLength } })

/** Pairs `name-0` … with a comparison each that states them, of this many tokens; 0: dropped as too long. */
const addPairs = (name: string, count: number, tokens: number) =>
  bindings.DB.batch([
    bindings.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3)
       INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
       SELECT ?1 || '-' || i, ?2, 'api', ?1 || i, 'choice', '', 0, iif(?4 = 0, 'dropped', 'paired'), 0 FROM n`,
    ).bind(name, DATASET, count, tokens),
    bindings.DB.prepare(
      `INSERT INTO pairs (id, dataset_id, comparison_id, status, reason, weight, split, tokenizer_digest, token_ids, prompt_tokens,
                          chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
       SELECT id, dataset_id, id, iif(?2 = 0, 'dropped', 'ready'), iif(?2 = 0, 'over-length', NULL), 1, 'train', 't',
              iif(?2 = 0, NULL, x'00'), ?2 / 2, ?2 - ?2 / 2, 1, id, 'r' || id, 0 FROM comparisons WHERE id GLOB ?1 || '-*'`,
    ).bind(name, tokens),
    bindings.DB.prepare(
      "INSERT INTO pair_statements (pair_id, comparison_id) SELECT id, id FROM pairs WHERE id GLOB ?1 || '-*'",
    ).bind(name),
  ])

const waiting = async () =>
  (await rows<{ name: string }>("SELECT comparison_id AS name FROM outbox ORDER BY name")).map(({ name }) => name)

describe("another length", () => {
  it("derives again what was too long or is now, and says so until all is on its way", async () => {
    await addPairs("dropped", 2, 0)
    await addPairs("long", 2, 60)
    await addPairs("short", 2, 20)
    await addPairs("other", 1, 0)
    await bindings.DB.prepare("UPDATE pairs SET reason = 'empty' WHERE id = 'other-0'").run()
    expect(await setLength(40)).toMatchObject({ status: 200, value: { maxLength: 40 } })
    await relaySettled()
    for (let time = 0; time < 4; time++) await ringRelay()
    expect(await waiting()).toEqual(["dropped-0", "dropped-1", "long-0", "long-1"])
    expect(await rows("SELECT id, status FROM comparisons WHERE status = 'received' ORDER BY id")).toHaveLength(4)
    // Until they are derived, their pairs are what they were.
    expect(await rows("SELECT DISTINCT status FROM pairs WHERE id GLOB 'long-*'")).toEqual([{ status: "ready" }])
    expect((await call("GET", `/v1/datasets/${DATASET}`)).value).toMatchObject({
      counts: { waiting: 4 },
      maxLength: 40,
    })
    expect((await call("GET", `/v1/datasets/${DATASET}`)).value).not.toHaveProperty("deriving")
  })

  it("measures a pair by its longer response, and one that just fits is left alone", async () => {
    await addPairs("fits", 1, 79)
    await addPairs("rejected", 1, 20)
    // Ten of the prompt each; the longer response has 30, or 31 of the rejected one.
    await bindings.DB.batch([
      bindings.DB.prepare(
        "UPDATE pairs SET prompt_tokens = 10, chosen_tokens = 30, rejected_tokens = 5 WHERE id = 'fits-0'",
      ),
      bindings.DB.prepare(
        "UPDATE pairs SET prompt_tokens = 10, chosen_tokens = 5, rejected_tokens = 31 WHERE id = 'rejected-0'",
      ),
    ])
    await setLength(40)
    for (let time = 0; time < 4; time++) await ringRelay()
    expect(await waiting()).toEqual(["rejected-0"])
  })

  it("set while a step is under way is not taken for done by that step", async () => {
    await addPairs("long", 1, 60)
    await bindings.DB.prepare("UPDATE datasets SET max_length = 80, deriving = ? WHERE id = ?")
      .bind(JSON.stringify({ startedAt: 5, state: 2, after: "" }), DATASET)
      .run()
    const { DB } = bindings
    const batch = async (statements: D1PreparedStatement[]) => {
      await DB.prepare("UPDATE datasets SET max_length = 40, deriving = ?")
        .bind('{"startedAt":6,"state":0,"after":""}')
        .run()
      return DB.batch(statements)
    }
    const slow = { prepare: (sql: string) => DB.prepare(sql), batch } as unknown as D1Database
    expect(await deriveAgain(slow)).toBe(true)
    while (await deriveAgain(DB));
    expect(await waiting()).toEqual(["long-0"])
  })

  it("is nothing where it is the same, and refused where the configuration asks for more", async () => {
    const { value } = await call<{ maxLength: number }>("GET", `/v1/datasets/${DATASET}`)
    await addPairs("dropped", 1, 0)
    await setLength(value.maxLength)
    await ringRelay()
    expect(await waiting()).toEqual([])
    await call("PATCH", `/v1/datasets/${DATASET}`, { json: { retrainConfig: { maxLength: 32 } } })
    expect(await setLength(16)).toMatchObject({ status: 422, value: { detail: expect.stringMatching(/maxLength 32/) } })
  })

  it("goes on where it was after a kill, some pairs at a time, each once", async () => {
    await addPairs("long", 4500, 60)
    await bindings.DB.prepare("UPDATE datasets SET max_length = 40, deriving = ? WHERE id = ?")
      .bind(JSON.stringify({ startedAt: 5, state: 0, after: "" }), DATASET)
      .run()
    const { value } = await call("GET", `/v1/datasets/${DATASET}`)
    expect(value).toMatchObject({ deriving: { startedAt: 5 } })
    const { DB } = bindings
    const batch = () => Promise.reject(new Error("killed"))
    const dying = { prepare: (sql: string) => DB.prepare(sql), batch } as unknown as D1Database
    const seen: number[] = []
    for (let step = 0; step < 10; step++) {
      if (step === 2) await expect(deriveAgain(dying)).rejects.toThrow("killed")
      const isUnderWay = await deriveAgain(bindings.DB)
      seen.push((await waiting()).length)
      if (!isUnderWay) break
    }
    // Dropped ones, three steps of ready ones, retracted ones, and that there is nothing more.
    expect(seen).toEqual([0, 2000, 4000, 4500, 4500, 4500])
    expect(await rows("SELECT DISTINCT created_at FROM outbox")).toEqual([{ created_at: 5 }])
  })

  it("set anew while it is under way begins anew", async () => {
    await addPairs("long", 1, 60)
    await bindings.DB.prepare("UPDATE datasets SET deriving = ? WHERE id = ?")
      .bind(JSON.stringify({ startedAt: 5, state: 2, after: "zzz" }), DATASET)
      .run()
    await setLength(40)
    for (let time = 0; time < 4; time++) await ringRelay()
    expect(await waiting()).toEqual(["long-0"])
  })
})
