// Many versions of one thing: what a new one costs, and which of them counts.
import { Effect, Layer } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { Environment } from "#workers/gateway/Environment.ts"
import { fromApi } from "#workers/gateway/ingest.ts"
import { Blobs } from "#workers/gateway/storage/Blobs.ts"
import { Comparisons } from "#workers/gateway/storage/Comparisons.ts"
import { Database } from "#workers/gateway/storage/Database.ts"
import { bindings, comparison, DATASET, post, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

const layer = Comparisons.layer.pipe(
  Layer.provide(Layer.mergeAll(Blobs.layer, Database.layer)),
  Layer.provide(Layer.succeed(Environment, bindings as never)),
)

/** Stores the versions of one thing with these numbers; resolves to the rows that its statements read. */
const storeVersions = async (numbers: readonly number[]): Promise<number> => {
  const versions = numbers.map((number) => comparison("row-1", { metadata: { number } }))
  const plan = Effect.flatMap(Comparisons, (store) =>
    store.plan(
      fromApi(DATASET),
      versions.map((version) => ({ comparison: version })),
    ),
  )
  const { statements } = await Effect.runPromise(Effect.provide(plan, layer))
  const results = await bindings.DB.batch([...statements])
  return results.reduce((sum, { meta }) => sum + meta.rows_read, 0)
}

describe("a new version of one thing", () => {
  it("costs the same after 2,000 others as after one", async () => {
    await storeVersions([0])
    const first = await storeVersions([1])
    for (let from = 2; from < 2000; from += 100)
      await storeVersions(Array.from({ length: 100 }, (_, index) => from + index))
    // A few rows more: the index is deeper.
    expect(await storeVersions([5000])).toBeLessThan(first + 20)
    expect(await rows("SELECT status, count(*) AS count FROM comparisons GROUP BY status ORDER BY status")).toEqual([
      { status: "received", count: 1 },
      { status: "superseded", count: 2002 },
    ])
  })

  it("corrects one that was dated 9999 before such dates were refused", async () => {
    await post(`/v1/datasets/${DATASET}/comparisons`, comparison("row-1"))
    await bindings.DB.prepare("UPDATE comparisons SET labelled_at = 253402300799000").run()
    const answer = await post<{ status: string }>(
      `/v1/datasets/${DATASET}/comparisons`,
      comparison("row-1", { judgement: { kind: "choice", winner: "b" } }),
    )
    expect(answer.value.status).toBe("accepted")
    expect(await rows("SELECT status FROM comparisons ORDER BY rowid")).toEqual([
      { status: "superseded" },
      { status: "received" },
    ])
  })
})
