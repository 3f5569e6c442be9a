// Judgements that are taken back after a run's snapshot: left out while there is time, counted afterwards, never passed over.
import { Effect } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { encodeManifest, entryOf } from "#shared/wire/pack-manifest.ts"
import { decodeShard, encodeShard } from "#shared/wire/pack-shard.ts"
import { SPLIT_RULE } from "#shared/wire/pair-identity.ts"
import { Bindings } from "#workers/orchestrator/Environment.ts"
import { takenBackOf } from "#workers/orchestrator/retrain/still-said.ts"
import { complete, LEARNED, leaseNext, pairsOfPack, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  channelsNow,
  DATASET,
  failedGates,
  finished,
  getRun,
  inWorkflowRun,
  putBlob,
  startWorld,
  triggerOnce,
} from "./world.ts"

beforeEach(() => startWorld())

/** As the gateway does when a comparison is changed or deleted. */
const takeBack = (ids: readonly string[]) =>
  bindings.DB.prepare("UPDATE pairs SET status = 'retracted' WHERE id IN (SELECT value FROM json_each(?))")
    .bind(JSON.stringify(ids))
    .run()

const vanish = (ids: readonly string[]) =>
  bindings.DB.prepare("DELETE FROM pairs WHERE id IN (SELECT value FROM json_each(?))").bind(JSON.stringify(ids)).run()

/** A run, and what happens the moment its activity of that name is done. */
const triggerWith = async (activity: string, happens: () => Promise<unknown>) => {
  // The ingest is waited for, so that the hook is there before the snapshot is taken.
  const held = bindings.DB.prepare("SELECT id FROM pairs ORDER BY id LIMIT 1")
  const { id } = (await held.first<{ id: string }>())!
  await bindings.DB.prepare("INSERT INTO outbox (comparison_id, created_at) VALUES (?, 1)").bind(id).run()
  const runId = await triggerOnce(activity)
  await inWorkflowRun(runId, ({ journal }) => {
    const record = journal.recordActivity.bind(journal)
    journal.recordActivity = (name, attempt, exit) => {
      record(name, attempt, exit)
      if (name === activity) void happens()
    }
  })
  await bindings.DB.prepare("DELETE FROM outbox").run()
  return runId
}

describe("pairs that are taken back between snapshot and pack", () => {
  it.each([
    ["retracted", takeBack],
    ["gone altogether", vanish],
  ])("are left out and counted: %s", async (_, leave) => {
    const ids = await addPairs(0, 16)
    const left = [ids[0]!, ids[5]!, ids[3]!]
    const runId = await triggerWith("snapshot", () => leave(left))
    const { spec } = await leaseNext()
    expect((await pairsOfPack(spec.pack)).map(({ id }) => id)).toEqual(ids.filter((id) => !left.includes(id)).sort())
    const { detail } = await getRun(runId)
    expect(detail.snapshot).toMatchObject({ trainPairs: 12, heldOutPairs: 4 })
    expect(detail.pack).toMatchObject({ takenBack: 3 })
  })

  it("end the run where none is left of a side, saying how many are", async () => {
    const ids = await addPairs(0, 8)
    const runId = await triggerWith("snapshot", () => takeBack([ids[3]!, ids[7]!]))
    expect(await finished(runId)).toMatchObject({
      ...{ status: "failed", step: "pack" },
      error:
        "of the snapshot's 6 pairs to train on and 2 held out, 6 and 0 are left: the judgements of the others were taken back meanwhile; a run needs at least one of each, so add comparisons with other prompts and start another",
    })
  })

  it("end the run where not one is left", async () => {
    const ids = await addPairs(0, 8)
    const runId = await triggerWith("snapshot", () => vanish(ids))
    expect((await finished(runId)).error).toMatch(/^of the snapshot's 6 pairs .*, 0 and 0 are left/)
  })
})

describe("pairs that are taken back while a run is trained on them", () => {
  const trainedOn = async (takenBack: number) => {
    const ids = await addPairs(0, 80)
    const runId = await triggerOnce("learnt")
    const job = await leaseNext()
    await takeBack(ids.slice(0, takenBack))
    await complete(job, LEARNED)
    await work(1)
    return (await finished(runId)).detail
  }

  it("are counted where they are few, and the adapter is promoted", async () => {
    const { pack, promote } = await trainedOn(4)
    expect(pack).not.toHaveProperty("takenBack")
    expect(promote).toMatchObject({ promoted: true, takenBack: 4 })
    expect(promote!.gates.find(({ gate }) => gate === "still-said")).toMatchObject({ value: 0.05, passed: true })
  })

  it("keep the adapter from production where they are many", async () => {
    const { promote } = await trainedOn(5)
    expect(promote).toMatchObject({ promoted: false, takenBack: 5 })
    expect(failedGates(promote!.gates)).toEqual(["still-said"])
    expect(await channelsNow()).toEqual({ candidate: 1 })
  })

  it("are found in one reading of the snapshot, however its pages and the pack's shards lie to each other", async () => {
    const ids = (await addPairs(0, 16)).sort()
    const [first, second] = await Promise.all(
      [
        { train: ids.slice(0, 6), heldOut: [], matched: { [ids[1]!]: ids[12]! } },
        { train: ids.slice(6, 12), heldOut: [], matched: { [ids[7]!]: ids[13]!, [ids[11]!]: ids[14]! } },
      ].map((page) => putBlob(JSON.stringify(page))),
    )
    const pages = [first!, second!]
    const content = { datasetId: DATASET, splitRule: SPLIT_RULE, pages, matchedPairs: 3 }
    const meta = { snapshot: await putBlob(JSON.stringify(content)), reference: "", tokenizer: "0".repeat(64) }
    const entries = await Promise.all(
      [ids.slice(0, 4), ids.slice(4, 5), ids.slice(5, 9), ids.slice(9, 12)].map(async (some) => {
        const one = Uint32Array.of(1)
        const tokens = { promptIds: one, chosenIds: one, rejectedIds: one }
        const bytes = encodeShard(
          some.map((id) => ({ id, ...tokens, weight: 1, split: "train" })),
          meta,
        )
        return entryOf(decodeShard(bytes), { digest: await putBlob(bytes), bytes: bytes.length })
      }),
    )
    const from = { ...meta, dataset: DATASET, splitRule: SPLIT_RULE, template: "" }
    const digest = await putBlob(encodeManifest(from, entries))
    await takeBack([ids[2]!, ids[7]!, ids[12]!, ids[14]!])
    const read: string[] = []
    const get = (key: string) => {
      read.push(key.replace("blobs/", ""))
      return bindings.BLOBS.get(key)
    }
    const env = { ...bindings, BLOBS: { get, head: (key: string) => bindings.BLOBS.head(key) } as unknown as R2Bucket }
    expect(await Effect.runPromise(Effect.provideService(takenBackOf({ digest }), Bindings, env))).toEqual({
      takenBack: 4,
      pairs: 12,
    })
    expect(read.filter((key) => [meta.snapshot, ...pages].includes(key))).toEqual([meta.snapshot, ...pages])
  })

  it("are not spoken of where there are none", async () => {
    const { promote } = await trainedOn(0)
    expect(promote).not.toHaveProperty("takenBack")
    expect(promote!.gates.map(({ gate }) => gate)).not.toContain("still-said")
  })
})
