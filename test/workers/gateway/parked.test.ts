// Comparisons that the scorer gave up: they are seen, and put back on their way.
import { beforeEach, describe, expect, it } from "vitest"
import {
  bindings,
  call,
  comparison,
  DATASET,
  delivered,
  makeKey,
  newKey,
  post,
  relaySettled,
  rows,
  startWorld,
} from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/comparisons`

/** Comparisons as the scorer leaves those that it gives up; resolves to their ids. */
const parked = async (count: number): Promise<string[]> => {
  const ids: string[] = []
  for (let index = 0; index < count; index++)
    ids.push((await post<{ id: string }>(PATH, comparison(`row-${index}`))).value.id)
  await relaySettled()
  await delivered(count)
  await bindings.DB.batch([
    bindings.DB.prepare(
      "UPDATE comparisons SET status = 'parked', reason = 'given up after 5 tries', processed_at = 1",
    ),
    bindings.DB.prepare("DELETE FROM outbox"),
  ])
  return ids
}

const replay = (json: object, idempotencyKey = newKey()) =>
  post<{ replayed: number }>(`${PATH}/replay`, json, { idempotencyKey })

describe("parked comparisons", () => {
  it("are listed with their reason and counted", async () => {
    const [id] = await parked(2)
    const { value } = await call<{ items: object[] }>("GET", `${PATH}?status=parked`)
    expect(value.items).toHaveLength(2)
    expect(value.items).toContainEqual(
      expect.objectContaining({ id, status: "parked", reason: "given up after 5 tries" }),
    )
    const dataset = await call<{ counts: { comparisons: object; waiting: number } }>("GET", `/v1/datasets/${DATASET}`)
    expect(dataset.value.counts).toMatchObject({ comparisons: { parked: 2 }, waiting: 0 })
    expect((await call<{ comparisons: object }>("GET", "/v1/status")).value.comparisons).toEqual({ parked: 2 })
  })

  it("go on their way again when they are replayed, all of them or those that are named", async () => {
    const ids = await parked(3)
    const named = await replay({ ids: [ids[1], "no-such-comparison"] })
    expect([named.status, named.value]).toEqual([202, { replayed: 1 }])
    expect(await delivered(1)).toEqual([ids[1]])
    const all = await replay({})
    expect(all.value).toEqual({ replayed: 2 })
    expect((await delivered(2)).toSorted()).toEqual([ids[0]!, ids[2]!].toSorted())
    expect(await rows("SELECT DISTINCT status, reason, processed_at FROM comparisons")).toEqual([
      { status: "received", reason: null, processed_at: null },
    ])
    expect(await rows("SELECT DISTINCT tries FROM outbox")).toEqual([{ tries: 0 }])
    expect((await replay({})).value).toEqual({ replayed: 0 })
  })

  it("are replayed once for one Idempotency-Key, and only by a key that may train", async () => {
    await parked(1)
    const first = await replay({}, "once")
    await bindings.DB.prepare("UPDATE comparisons SET status = 'parked'").run()
    expect((await replay({}, "once")).text).toBe(first.text)
    expect(await rows("SELECT status FROM comparisons")).toEqual([{ status: "parked" }])
    const key = await makeKey("ingest", "read")
    expect((await post(`${PATH}/replay`, {}, { key })).status).toBe(403)
  })

  it("are superseded by what is said later, as any other", async () => {
    const [id] = await parked(1)
    await post(PATH, comparison("row-0", { judgement: { kind: "choice", winner: "b" } }))
    expect(await rows(`SELECT status FROM comparisons WHERE id = '${id}'`)).toEqual([{ status: "superseded" }])
  })
})
