// A dataset that changes while the scorer works on its comparisons: what was made for the one that is no more is not kept.
import { beforeEach, describe, expect, it } from "vitest"
import { deriveAgain } from "#workers/gateway/outbox/derive-again.ts"
import {
  bindings,
  choice,
  comparisonStates,
  createDataset,
  deliver,
  only,
  outbox,
  receive,
  startWorld,
} from "./world.ts"

beforeEach(startWorld)

const change = (sql: string) => bindings.DB.prepare(sql).run()

/** Bindings where something happens before the first blob is read. */
const whileReading = (happen: () => Promise<unknown>): typeof bindings => {
  let isDone = false
  const get: R2Bucket["get"] = async (key: string) => {
    if (!isDone) {
      isDone = true
      await happen()
    }
    return bindings.BLOBS.get(key)
  }
  const BLOBS = new Proxy(bindings.BLOBS, {
    get: (bucket, name) => {
      if (name === "get") return get
      const value: unknown = Reflect.get(bucket, name)
      return typeof value === "function" ? value.bind(bucket) : value
    },
  })
  return { ...bindings, BLOBS }
}

const long = choice("hello", "the an the an", "an the an the")

const tries = async () => (await bindings.DB.prepare("SELECT tries FROM outbox").all()).results

describe("a comparison that the scorer works on", () => {
  it("is worked on again where another maxLength comes meanwhile, though its derivation passes it over", async () => {
    await createDataset("short", "tiny", { maxLength: 4 })
    const [id] = await receive([long], "short")
    const changing = whileReading(async () => {
      await change('UPDATE datasets SET max_length = 64, deriving = \'{"startedAt":5,"state":0,"after":""}\'')
      while (await deriveAgain(bindings.DB));
    })
    expect(await deliver([id], changing)).toEqual({ acknowledged: [], retried: [id] })
    expect(await comparisonStates()).toEqual({ [id!]: "received" })
    expect(await outbox()).toMatchObject([{ comparison_id: id, last_error: expect.stringContaining("was changed") }])
    // Nobody's fault: it is not parked for it.
    expect(await tries()).toEqual([{ tries: 0 }])
    expect(await deliver([id])).toEqual({ acknowledged: [id], retried: [] })
    expect(await only()).toMatchObject({ status: "ready", dataset_id: "short" })
    expect(await outbox()).toEqual([])
  })

  it("leaves nothing in a dataset that was made again under its id meanwhile", async () => {
    await createDataset("again", "tiny")
    const [id] = await receive([long], "again")
    const changing = whileReading(() => change("UPDATE datasets SET created_at = 9 WHERE id = 'again'"))
    expect(await deliver([id], changing)).toEqual({ acknowledged: [], retried: [id] })
    expect(await comparisonStates()).toEqual({ [id!]: "received" })
    expect(
      (await bindings.DB.prepare("SELECT 1 FROM pairs UNION ALL SELECT 1 FROM pair_statements").all()).results,
    ).toEqual([])
  })
})
