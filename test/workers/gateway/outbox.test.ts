import { evictDurableObject, runInDurableObject } from "cloudflare:test"
import { beforeEach, describe, expect, it } from "vitest"
import type { Bindings } from "#workers/gateway/Environment.ts"
import { OutboxRelay } from "#workers/gateway/outbox/OutboxRelay.ts"
import {
  bindings,
  call,
  comparison,
  DATASET,
  delivered,
  newKey,
  post,
  relay,
  relaySettled,
  ringRelay,
  rows,
  startWorld,
} from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/comparisons`

const send = async (externalId: string, idempotencyKey = newKey()): Promise<string> =>
  (await post<{ id: string }>(PATH, comparison(externalId), { idempotencyKey })).value.id

const upload = (count: number) =>
  call("POST", `${PATH}/bulk`, {
    raw: Array.from({ length: count }, (_, index) => JSON.stringify(comparison(`row-${index}`))).join("\n"),
    headers: { "content-type": "application/x-ndjson" },
    idempotencyKey: newKey(),
  })

const alarmAt = () => runInDurableObject(relay(), (_, state) => state.storage.getAlarm())
const clearAlarm = () => runInDurableObject(relay(), (_, state) => state.storage.deleteAlarm())

/** Lets time pass for what was sent. */
const age = (ms: number) => bindings.DB.prepare("UPDATE outbox SET sent_at = sent_at - ?").bind(ms).run()

const outbox = () =>
  rows<{ comparison_id: string; sent_at: number | null; attempts: number; last_error: string | null }>(
    "SELECT * FROM outbox",
  )

describe("the outbox relay", () => {
  it("sends what was accepted to the queue and notes when", async () => {
    const id = await send("row-1")
    await relaySettled()
    expect(await delivered(1)).toEqual([id])
    expect(await outbox()).toMatchObject([{ comparison_id: id, attempts: 1, last_error: null }])
  })

  it("has an alarm set by the time of the answer", async () => {
    await clearAlarm()
    await send("row-1")
    const isArmedOrDone = (await alarmAt()) !== null || (await outbox())[0]!.sent_at !== null
    expect(isArmedOrDone).toBe(true)
  })

  it("sends more than one message batch holds", async () => {
    await upload(250)
    await relaySettled()
    expect(new Set(await delivered(250)).size).toBe(250)
  })

  it("sends no more than may be under way, and goes on where those are done, or no longer young", async () => {
    await bindings.DB.batch(
      [
        `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1301)
         INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
         SELECT 'c' || n, '${DATASET}', 'api', 'row-' || n, 'choice', '', 0, 'received', 0 FROM numbers`,
        "INSERT INTO outbox (comparison_id, created_at) SELECT id, received_at + CAST(substr(id, 2) AS INTEGER) FROM comparisons",
      ].map((sql) => bindings.DB.prepare(sql)),
    )
    const numbersFrom = (first: number, count: number) =>
      Array.from({ length: count }, (_, index) => `c${first + index}`)
    await ringRelay()
    expect(new Set(await delivered(500))).toEqual(new Set(numbersFrom(1, 500)))
    await ringRelay()
    await bindings.DB.prepare("DELETE FROM outbox WHERE created_at <= 300").run()
    await ringRelay()
    expect(new Set(await delivered(300))).toEqual(new Set(numbersFrom(501, 300)))
    // 500 were sent and are not done: a quarter of the room is for those, the rest for what was never sent.
    await age(30_000)
    await ringRelay()
    const sent = await delivered(500)
    expect(sent.filter((id) => Number(id.slice(1)) > 800)).toHaveLength(375)
    expect(sent).toHaveLength(500)
    await ringRelay()
    const [{ sends } = { sends: 0 }] = await rows<{ sends: number }>("SELECT sum(attempts) AS sends FROM outbox")
    expect(sends).toBe(200 + 300 + 500)
    // It looks again by itself.
    await bindings.DB.prepare("DELETE FROM outbox WHERE sent_at IS NOT NULL").run()
    await relaySettled()
    expect(new Set(await delivered(126))).toEqual(new Set(numbersFrom(1176, 126)))
    expect(await runInDurableObject(relay(), (_, state) => state.storage.get("failures"))).toBeUndefined()
  })

  it("sends again after thirty seconds, not before, and waits twice as long after every attempt", async () => {
    const id = await send("row-1")
    await relaySettled()
    await delivered(1)
    const attempts: number[] = []
    for (const passedMs of [29_000, 2_000, 31_000, 30_000, 61_000, 60_000]) {
      await age(passedMs)
      await ringRelay()
      attempts.push((await outbox())[0]!.attempts)
    }
    expect(attempts).toEqual([1, 2, 2, 3, 3, 4])
    expect(await delivered(3)).toEqual([id, id, id])
  })

  it("keeps an alarm for the next sending while a row remains, and none when all are done", async () => {
    await send("row-1")
    await relaySettled()
    expect((await alarmAt())! - Date.now()).toBeGreaterThan(25_000)
    await bindings.DB.prepare("DELETE FROM outbox").run()
    await ringRelay()
    expect(await alarmAt()).toBeNull()
  })

  it("is woken earlier than its next round by a new arrival", async () => {
    await send("row-1")
    await relaySettled()
    const later = (await alarmAt())!
    await send("row-2")
    const next = await alarmAt()
    expect(next === null || next < later).toBe(true)
  })

  it("is woken again by a replayed answer, in case the first request died before its wake", async () => {
    const id = await send("row-1", "same")
    await relaySettled()
    await bindings.DB.prepare("UPDATE outbox SET sent_at = NULL, attempts = 0").run()
    await clearAlarm()
    await send("row-1", "same")
    await relaySettled()
    expect((await delivered(2)).slice(0, 2)).toEqual([id, id])
  })

  it("forgets nothing when it is evicted", async () => {
    const id = await send("row-1")
    await evictDurableObject(relay()).catch(() => undefined)
    await relay().wake()
    await relaySettled()
    expect(await delivered(1)).toContain(id)
  })

  it("counts its failures in storage, says why on the rows, and tries again later", async () => {
    await send("row-1")
    await clearAlarm()
    await bindings.DB.prepare("UPDATE outbox SET sent_at = NULL, attempts = 0, last_error = NULL").run()
    await runInDurableObject(relay(), async (_, state) => {
      const refusing = { sendBatch: () => Promise.reject(new Error("the queue is full")) }
      const failing = new OutboxRelay(state, { ...bindings, INGEST: refusing } as unknown as Bindings)
      for (let attempt = 1; attempt <= 8; attempt++) {
        await state.storage.deleteAlarm()
        await failing.alarm()
        expect(await state.storage.get("failures")).toBe(attempt)
        expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now())
      }
      expect((await state.storage.getAlarm())! - Date.now()).toBeGreaterThan(50_000)
    })
    expect(await outbox()).toMatchObject([{ sent_at: null, attempts: 0, last_error: "the queue is full" }])
    await clearAlarm()
    await relay().wake()
    await relaySettled()
    expect(await outbox()).toMatchObject([{ attempts: 1, last_error: null }])
    expect(await runInDurableObject(relay(), (_, state) => state.storage.get("failures"))).toBeUndefined()
  })

  it("is woken by the cron trigger too", async () => {
    const id = await send("row-1")
    await relaySettled()
    await delivered(1)
    await bindings.DB.prepare("UPDATE outbox SET sent_at = NULL, attempts = 0").run()
    await clearAlarm()
    const { default: main } = await import("#workers/gateway/main.ts")
    await main.scheduled({} as never, bindings)
    await relaySettled()
    expect(await delivered(1)).toContain(id)
  })
})
