// Blobs to which nothing refers go, after their time and in bounded pieces. A dataset is deleted by the sweeper itself, and a new one of its id
// has nothing to do with it.
import { beforeEach, describe, expect, it } from "vitest"
import { claimBlobs } from "#shared/wire/blob-claims.ts"
import { DIGEST_COLUMNS } from "#workers/orchestrator/sweep/blob-references.ts"
import { condemnation, removeCondemned } from "#workers/orchestrator/sweep/condemned.ts"
import { Marks } from "#workers/orchestrator/sweep/Marks.ts"
import { type Bounds, FIRST_PAGE, type Round, sweepOrphans } from "#workers/orchestrator/sweep/orphans.ts"
import { NAMED_COLUMNS, type RunNames, textsOf } from "#workers/orchestrator/sweep/run-blobs.ts"
import { LEARNED, leaseNext, work } from "./test-runner.ts"
import {
  addPairs,
  bindings,
  createDataset,
  DATASET,
  finished,
  inSweeper,
  orchestrator,
  putBlob,
  readBlob,
  sleep,
  startWorld,
  sweepCount,
  triggerOnce,
  until,
  valueIn,
} from "./world.ts"

const DAY_MS = 24 * 3_600_000

beforeEach(async () => {
  await startWorld()
  await addPairs(0, 8)
})

/** One whole round, of many pages. */
const round = (bounds: Bounds): Promise<void> =>
  inSweeper(async (_, state) => {
    const marks = new Marks(state.storage.sql)
    for (let at: Round | undefined = FIRST_PAGE; at !== undefined; )
      at = await sweepOrphans(bindings, marks, at, { ...bounds, perPage: 3 })
  })

const keys = async (): Promise<string[]> => (await bindings.BLOBS.list()).objects.map(({ key }) => key).toSorted()

const runEnded = async (key: string): Promise<string> => {
  const runId = await triggerOnce(key, { config: { loraRank: key.length } })
  await work(2, LEARNED)
  expect((await finished(runId)).status).toBe("succeeded")
  return runId
}

describe("a blob to which nothing refers", () => {
  it("is deleted when that was found before and its time has passed; one that anything refers to is not", async () => {
    const runId = await runEnded("one")
    const needed = await keys()
    await putBlob("orphan")
    const [renewed, claimed, judged] = [await putBlob("renewed"), await putBlob("claimed"), await putBlob("judged")]
    await bindings.BLOBS.put("uploads/whole", "of parts")
    await bindings.BLOBS.put(`blobs/${"f".repeat(64)}`, "", { customMetadata: { at: "uploads/pointed", bytes: "8" } })
    for (const key of ["uploads/pointed", "uploads/open", "uploads/lost", "deliveries/e/listed", "deliveries/e/lost"])
      await bindings.BLOBS.put(key, "of parts")
    await bindings.DB.batch(
      [
        `UPDATE comparisons SET payload_digest = '${judged}'`,
        `INSERT INTO uploads VALUES ('open', '', 1, 1, '', 0)`,
        `INSERT INTO webhook_endpoints (id, dataset_id, source, secrets, mapping, created_at) VALUES ('e', '${DATASET}', 'argilla', '', '', 0)`,
        `INSERT INTO deliveries (endpoint_id, digest, status, is_genuine, has_body, received_at) VALUES ('e', 'listed', 'ignored', 1, 1, 0)`,
      ].map((sql) => bindings.DB.prepare(sql)),
    )
    const all = await keys()

    const found = Date.now()
    await round({ nowMs: found, orphanedBefore: found, endedAfter: 0 })
    expect(await keys()).toEqual(all)
    await sleep(5)
    const before = Date.now()
    await sleep(5)
    await putBlob("renewed")
    expect(await claimBlobs(bindings.DB, [claimed], { nowMs: Date.now() })).toBe(true)
    await round({ nowMs: Date.now(), orphanedBefore: found - 1, endedAfter: 0 })
    expect(await keys()).toEqual(all)

    await round({ nowMs: Date.now(), orphanedBefore: before, endedAfter: 0 })
    const left = await keys()
    const expected = [`blobs/${renewed}`, `blobs/${claimed}`, `blobs/${judged}`, "uploads/open", "deliveries/e/listed"]
    for (const key of expected) expect(left).toContain(key)
    // Of what the run wrote only its evaluation is gone, which nobody reads again.
    const gone = needed.filter((key) => !left.includes(key))
    expect(gone).toHaveLength(1)
    expect(await bindings.BLOBS.head(gone[0]!)).toBeNull()
    expect(left).toHaveLength(needed.length - 1 + expected.length)
    expect(await sweepCount("blobs_deleted")).toBe(3)

    // A month after its end what the run was trained on goes; its adapter and the base model stay.
    const { detail } = await finished(runId)
    await round({ nowMs: Date.now(), orphanedBefore: before, endedAfter: Date.now() })
    await sleep(5)
    await round({ nowMs: Date.now(), orphanedBefore: Date.now(), endedAfter: Date.now() })
    const later = await keys()
    for (const digest of [detail.snapshot!.digest, detail.pack!.digest]) expect(later).not.toContain(`blobs/${digest}`)
    for (const digest of Object.values(detail.train!.adapter!)) expect(later).toContain(`blobs/${digest}`)
    const files = await bindings.DB.prepare("SELECT value FROM models, json_each(models.files)").all<{
      value: string
    }>()
    for (const { value } of files.results) expect(later).toContain(`blobs/${value}`)
  })

  it("is kept as long as a run is under way that may have written it", async () => {
    const runId = await triggerOnce("under-way")
    const before = await keys()
    await until(keys, (now) => now.length > before.length)
    // Of a step that has not ended: no row names it yet.
    const written = `blobs/${await putBlob("of a step under way")}`
    await round({ nowMs: 1, orphanedBefore: 1, endedAfter: 0 })
    const all = await keys()
    await sleep(5)
    await round({ nowMs: Date.now(), orphanedBefore: Date.now(), endedAfter: 0 })
    expect(await keys()).toEqual(expect.arrayContaining([...all, written]))
    valueIn(await orchestrator.cancelRun(runId))
    await round({ nowMs: Date.now(), orphanedBefore: Date.now(), endedAfter: 0 })
    expect(await keys()).not.toContain(written)
  })

  it("is kept where it was stored again after it was condemned", async () => {
    const digest = await putBlob("stored again")
    const { uploaded } = (await bindings.BLOBS.head(`blobs/${digest}`))!
    for (const [before, isLeft] of [
      [uploaded.getTime(), true],
      [uploaded.getTime() + 1, false],
    ] as const) {
      await condemnation(bindings.DB, [digest], before).run()
      await removeCondemned(bindings, Date.now())
      expect((await keys()).includes(`blobs/${digest}`)).toBe(isLeft)
    }
  })

  it("is kept where the database was lost, which names nothing", async () => {
    const orphan = `blobs/${await putBlob("orphan")}`
    const models = (await bindings.DB.prepare("SELECT * FROM models").all<Record<string, unknown>>()).results
    /** Two rounds, eight days apart. */
    const sweptLater = (days: number) =>
      inSweeper(async (sweeper) => {
        for (const day of [days, days + 8]) while (await sweeper.sweep(Date.now() + day * DAY_MS)) {}
      })
    await bindings.DB.exec("DELETE FROM models")
    await sweptLater(8)
    expect(await keys()).toContain(orphan)
    const [model] = models
    const columns = Object.keys(model!)
    await bindings.DB.prepare(`INSERT INTO models (${columns}) VALUES (${columns.map(() => "?")})`)
      .bind(...Object.values(model!))
      .run()
    await sweptLater(24)
    expect(await keys()).not.toContain(orphan)
  })
})

describe("a dataset that is deleted", () => {
  /** As the gateway's one transaction leaves it. */
  const markDeleted = (at: number) =>
    bindings.DB.batch([
      bindings.DB.prepare("UPDATE datasets SET deleted_at = ? WHERE id = ?").bind(at, DATASET),
      bindings.DB.prepare(
        `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at, deleted_at, deleted_id)
         VALUES (?, 'tiny', 1, 64, '{}', 0, ?, ?)`,
      ).bind(`${DATASET}~${at}`, at, DATASET),
      bindings.DB.prepare("UPDATE runs SET dataset_id = ? WHERE dataset_id = ?").bind(`${DATASET}~${at}`, DATASET),
    ])

  it("takes along what runners were to score, whatever its run came to", async () => {
    await bindings.DB.prepare("UPDATE datasets SET reference_place = 'runner' WHERE id = ?").bind(DATASET).run()
    const before = await keys()
    const runId = await triggerOnce("scored")
    const { spec } = await leaseNext()
    const made = (await keys()).filter((key) => !before.includes(key))
    expect(made).toEqual(
      expect.arrayContaining(spec.kind === "score" ? [`blobs/${spec.pack}`, `blobs/${spec.sheet}`] : []),
    )
    // Snapshot, its page, manifest, shard and sheet.
    expect(made).toHaveLength(5)
    // The sheet names responses and no dataset: a job of another one may have the same.
    const sheet = `blobs/${spec.kind === "score" && spec.sheet}`
    const tokens = made.filter((key) => key !== sheet)
    expect(tokens).toHaveLength(4)
    valueIn(await orchestrator.cancelRun(runId))
    await markDeleted(78)
    valueIn(await orchestrator.sweep({ isUrgent: true }))
    await until(keys, (left) => !left.some((key) => tokens.includes(key)))
    expect(await keys()).toContain(sheet)
    await round({ nowMs: 1, orphanedBefore: 1, endedAfter: 0 })
    await sleep(5)
    await round({ nowMs: Date.now(), orphanedBefore: Date.now(), endedAfter: 0 })
    expect(await keys()).not.toContain(sheet)
  })

  it("takes along what its runs were trained on, and opens and lists nothing of the models that they name", async () => {
    const runId = await runEnded("one")
    const { detail } = await finished(runId)
    const row = await bindings.DB.prepare(`SELECT id, ${NAMED_COLUMNS} FROM runs`).first<RunNames & { id: string }>()
    const opened = new Set<string>()
    const BLOBS = {
      head: (key: string) => bindings.BLOBS.head(key),
      get: (key: string) => {
        opened.add(key)
        return bindings.BLOBS.get(key)
      },
    } as R2Bucket
    const [snapshot, pack] = [detail.snapshot!.digest, detail.pack!.digest]
    const texts = await textsOf({ ...bindings, BLOBS }, row!)
    const named = async (digest: string) => JSON.parse(new TextDecoder().decode(await readBlob(digest)))
    const shards = (await named(pack)).shards.map(({ digest }: { digest: string }) => digest)
    expect(shards).toHaveLength(1)
    expect(texts.toSorted()).toEqual([snapshot, pack, ...(await named(snapshot)).pages, ...shards].toSorted())
    expect([...opened].toSorted()).toEqual([`blobs/${snapshot}`, `blobs/${pack}`].toSorted())
  })

  it("is gone soon; the next one of its id starts runs of its own under the same keys", async () => {
    const first = await triggerOnce("nightly")
    valueIn(await orchestrator.cancelRun(first))
    await markDeleted(77)
    for (const refused of [
      await orchestrator.trigger({ datasetId: DATASET, trigger: "api", key: "other" }),
      await orchestrator.pairsReady(DATASET),
      await orchestrator.automaticRuns(DATASET),
    ])
      expect(refused).toMatchObject({ ok: false, error: { _tag: "NotFound" } })
    valueIn(await orchestrator.sweep({ isUrgent: true }))
    const datasets = async () => (await bindings.DB.prepare("SELECT id FROM datasets").all()).results
    await until(datasets, (left) => left.length === 1)
    for (const table of ["comparisons", "pairs"])
      expect(await bindings.DB.prepare(`SELECT count(*) AS count FROM ${table}`).first("count")).toBe(0)
    await createDataset(DATASET)
    await addPairs(0, 8)
    const second = await triggerOnce("nightly")
    expect(second).not.toBe(first)
    expect(await triggerOnce("nightly")).toBe(second)
    expect((await finished(first)).datasetDeletedAt).toBe(77)
    valueIn(await orchestrator.cancelRun(second))
  })
})

it("every column that names a digest is known to the sweep", async () => {
  const tables = await bindings.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '_cf_%' AND name NOT LIKE 'sqlite_%'",
  ).all<{ name: string }>()
  const found: string[] = []
  for (const { name: table } of tables.results) {
    const columns = await bindings.DB.prepare(`PRAGMA table_info(${table})`).all<{ name: string }>()
    const naming = columns.results.filter(({ name }) => /digest|^files$|^detail$|^evaluation$/.test(name))
    found.push(...naming.map(({ name }) => `${table}.${name}`))
  }
  expect(found.toSorted()).toEqual(Object.keys(DIGEST_COLUMNS).toSorted())
})
