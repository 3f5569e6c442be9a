// Deleting a dataset with its data: at once for whoever asks, then batch by batch, whatever else is going on; and nothing of others.
import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { claimBlobs } from "#shared/wire/blob-claims.ts"
import { OF_DATASET, purgeDatasets } from "#workers/orchestrator/sweep/purge-dataset.ts"
import { deliverPlain, type Endpoint, labelStudioEvent, makeEndpoint } from "./deliveries.ts"
import {
  bindings,
  call,
  comparison,
  DATASET,
  makeKey,
  orchestrator,
  type Problem,
  post,
  putBlob,
  rows,
  startWorld,
} from "./world.ts"

const OTHER = "other"
const PATH = `/v1/datasets/${DATASET}`
const HOUR_MS = 3_600_000

beforeEach(async () => {
  await startWorld()
  await post("/v1/datasets", { id: OTHER, referenceModel: { name: "tiny" } })
})

interface Deletion {
  readonly id: string
  readonly deletedAt: number
  readonly comparisonsLeft: number
}

const remove = <A = Deletion>(id = DATASET) => call<A>("DELETE", `/v1/datasets/${id}?confirm=${id}`)

/** Runs here have no journals but one, which packed a shard when it was cancelled. */
const journals = new Map<string, { readonly lists: readonly string[]; readonly leaves: readonly string[] }>()
const stores = {
  ...bindings,
  WORKFLOW_RUN: {
    getByName: (id: string) => ({ storedBlobs: async () => journals.get(id) ?? { lists: [], leaves: [] } }),
  },
} as unknown as Parameters<typeof purgeDatasets>[0]

const notes = new Map<string, string>()
const purgeNotes = {
  get: async (key: string) => notes.get(key),
  put: async (key: string, value: string) => void notes.set(key, value),
  delete: async (key: string) => notes.delete(key),
}
/** What the sweeper does, to its end or so many batches of it. */
const purge = (batches = 1000, nowMs = Date.now()) => purgeDatasets(stores, purgeNotes, nowMs, batches)

const tables = async () =>
  (
    await rows<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' AND name <> 'd1_migrations'",
    )
  ).map(({ name }) => name)

/** Every row of the database, as a text with its table, but those that belong to the deployment. */
const dump = async (): Promise<string[]> => {
  const names = (await tables()).filter((name) => !["idempotency", "api_keys", "sweep_counters"].includes(name))
  const found = await Promise.all(
    names.map(async (name) => (await rows(`SELECT * FROM ${name}`)).map((row) => `${name} ${JSON.stringify(row)}`)),
  )
  return found.flat().toSorted()
}

const blobs = async (): Promise<string[]> => {
  const { objects } = await bindings.BLOBS.list()
  return objects.map(({ key }) => key).toSorted()
}

/** Pairs of a comparison that waits, as the scorer writes them: where the comparison is there. */
const derivePairs = async (datasetId: string): Promise<void> => {
  const from = `FROM comparisons WHERE dataset_id = ? AND status = 'received' ON CONFLICT DO NOTHING`
  await bindings.DB.batch(
    [
      `INSERT INTO pairs (id, dataset_id, comparison_id, status, weight, split, tokenizer_digest, prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest, created_at)
       SELECT 'pair ' || id, dataset_id, id, 'ready', 1, 'train', '', 0, 0, 0, '', '', 0 ${from}`,
      `INSERT INTO pair_statements (pair_id, comparison_id) SELECT 'pair ' || id, id ${from}`,
    ].map((sql) => bindings.DB.prepare(sql).bind(datasetId)),
  )
}

const addRun = (id: string, status: string, detail: object = {}, datasetId = DATASET) =>
  bindings.DB.prepare(
    `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
     VALUES (?, ?, 'api', 'dpo', ?, 'done', ?, 1, 1)`,
  )
    .bind(id, datasetId, status, JSON.stringify(detail))
    .run()

describe("what was answered about a dataset", () => {
  it("is no answer to the same request about a later one of its id", async () => {
    const again = async () => {
      const made = await post(
        "/v1/datasets",
        { id: "twice", referenceModel: { name: "tiny" } },
        { idempotencyKey: "made" },
      )
      const said = await post("/v1/datasets/twice/comparisons", comparison("1"), { idempotencyKey: "said" })
      return [made.status, said.status]
    }
    expect(await again()).toEqual([201, 202])
    await remove("twice")
    while (await purge()) {
      // Until nothing is left of it.
    }
    expect((await call("GET", "/v1/datasets/twice")).status).toBe(404)
    expect(await again()).toEqual([201, 202])
    expect((await call("GET", "/v1/datasets/twice")).status).toBe(200)
    expect(await rows("SELECT count(*) AS stored FROM comparisons WHERE dataset_id = 'twice'")).toEqual([{ stored: 1 }])
  })
})

describe("a dataset that is deleted", () => {
  it("is as if it were gone from the answer on; its id is free when nothing of it is left", async () => {
    const endpoint = await makeEndpoint("label-studio")
    await post(`${PATH}/comparisons`, comparison("row-1"))
    const first = await remove()
    expect([first.status, first.value]).toEqual([
      202,
      { id: DATASET, deletedAt: expect.any(Number), comparisonsLeft: 1 },
    ])
    // Its tools' secrets go at once, and no other's.
    expect(await rows(`SELECT secrets FROM webhook_endpoints WHERE dataset_id = '${DATASET}'`)).toEqual([
      { secrets: "[]" },
    ])
    expect((await remove()).value).toEqual(first.value)
    for (const path of ["", "/comparisons", "/pairs", "/webhooks", "/trigger"])
      expect((await call("GET", `${PATH}${path}`)).status, path).toBe(404)
    expect((await call("PATCH", PATH, { json: {} })).status).toBe(404)
    expect((await post(`${PATH}/comparisons`, comparison("row-2"))).status).toBe(404)
    expect((await post(`${PATH}/runs`, {})).status).toBe(404)
    expect((await deliverPlain(endpoint, labelStudioEvent())).status).toBe(404)
    expect((await call<{ items: { id: string }[] }>("GET", "/v1/datasets")).value.items.map(({ id }) => id)).toEqual([
      OTHER,
    ])
    const again = { id: DATASET, referenceModel: { name: "tiny" } }
    const early = await post<Problem>("/v1/datasets", again)
    expect([early.status, early.value.detail]).toEqual([409, expect.stringMatching(/being deleted/)])
    expect(await purge()).toBe(false)
    expect((await remove()).status).toBe(404)
    expect((await post("/v1/datasets", again)).status).toBe(201)
    const { value } = await call("GET", PATH)
    expect(value).toMatchObject({ counts: { comparisons: {}, pairs: {}, waiting: 0 } })
    expect((await orchestrator.calls()).filter(([name]) => name === "sweep")).toHaveLength(2)
    expect((await call<{ sweeps: object }>("GET", "/v1/status")).value.sweeps).toMatchObject({ datasets_deleted: 1 })
  })

  it("is named twice, by an admin", async () => {
    for (const query of ["", "?confirm=", "?confirm=other"])
      expect([400, 422]).toContain((await call("DELETE", `${PATH}${query}`)).status)
    expect((await call("DELETE", `${PATH}?confirm=${DATASET}`, { key: await makeKey("train") })).status).toBe(403)
    expect((await remove("none")).status).toBe(404)
    expect((await call("GET", PATH)).status).toBe(200)
  })

  it("has no run under way", async () => {
    await addRun("run-1", "running")
    const refused = await remove<Problem>()
    expect([refused.status, refused.value.detail]).toEqual([409, expect.stringMatching(/"run-1".*cancel it/)])
    await bindings.DB.exec("UPDATE runs SET status = 'cancelled'")
    expect((await remove()).status).toBe(202)
  })

  it("leaves its runs, which say so, and nothing that they were trained on", async () => {
    const page = await putBlob("page")
    const snapshot = await putBlob(JSON.stringify({ datasetId: DATASET, pages: [page] }))
    const shard = await putBlob("shard")
    const pack = await putBlob(JSON.stringify({ shards: [{ digest: shard }] }))
    const adapter = await putBlob("adapter")
    const unfinished = await putBlob("a shard of no manifest")
    const asked = await putBlob("a shard that a runner was to score")
    const scored = await putBlob(JSON.stringify({ shards: [{ digest: asked }] }))
    // Nobody has just uploaded them: runs wrote them.
    await bindings.DB.exec("DELETE FROM blob_claims")
    await addRun("run-1", "succeeded", {
      ...{
        snapshot: { digest: snapshot, trainPairs: 1, heldOutPairs: 1 },
        pack: { digest: pack, bytes: 1, tokens: 1 },
      },
      train: { adapter: { "adapter_model.safetensors": adapter }, report: {} },
    })
    await addRun("run-2", "cancelled")
    journals.set("run-1", { lists: [scored], leaves: [] })
    journals.set("run-2", { lists: [], leaves: [unfinished] })
    const { deletedAt } = (await remove()).value
    while (await purge()) {}
    const runs = (await call<{ items: object[] }>("GET", "/v1/runs")).value.items
    expect(runs).toMatchObject([{ id: "run-2" }, { id: "run-1", datasetId: DATASET, datasetDeletedAt: deletedAt }])
    const left = await blobs()
    for (const digest of [page, snapshot, shard, pack, unfinished, asked, scored])
      expect(left).not.toContain(`blobs/${digest}`)
    expect(left).toContain(`blobs/${adapter}`)
    await post("/v1/datasets", { id: DATASET, referenceModel: { name: "tiny" } })
    expect((await call<{ items: object[] }>("GET", `/v1/runs?datasetId=${DATASET}`)).value.items).toEqual([])
  })

  it("takes in nothing of who was let in before, and tells him", async () => {
    await remove()
    const insertions = {
      comparisons: `INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status, received_at)
                    VALUES ('c', '${DATASET}', 'api', 'x', 'choice', '', 0, 'received', 0)`,
      webhook_endpoints: `INSERT INTO webhook_endpoints (id, dataset_id, source, secrets, mapping, created_at) VALUES ('e', '${DATASET}', 'argilla', '[]', '{}', 0)`,
      retractions: `INSERT INTO retractions (dataset_id, source, endpoint_id, scope, external_id, retracted_at) VALUES ('${DATASET}', 'api', '', 'annotation', 'x', 0)`,
      runs: `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at) VALUES ('r', '${DATASET}', 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
    }
    for (const [table, sql] of Object.entries(insertions))
      await expect(bindings.DB.prepare(sql).run(), table).rejects.toThrow(/the dataset is deleted/)
  })
})

describe("a blob that is being deleted", () => {
  it("cannot be claimed, and one that was claimed is not deleted", async () => {
    const text = await putBlob("text")
    await bindings.DB.exec(`DELETE FROM blob_claims WHERE digest = '${text}'`)
    const condemn = () => bindings.DB.exec(`INSERT INTO condemned_blobs (digest) VALUES ('${text}')`)
    await condemn()
    expect(await claimBlobs(bindings.DB, [text], { nowMs: Date.now() })).toBe(false)
    await purge()
    // The claim that was refused counts all the same: whoever made it comes again.
    expect(await blobs()).toContain(`blobs/${text}`)
    expect(await claimBlobs(bindings.DB, [text], { nowMs: Date.now() })).toBe(true)
    await condemn()
    await purge(1, Date.now() + 8 * 24 * HOUR_MS)
    expect(await blobs()).not.toContain(`blobs/${text}`)
  })
})

describe("an event of the sweep", () => {
  it("deletes a thousand claims and a thousand blobs at most, and says whether some are left", async () => {
    const numbers = (count: number) =>
      `WITH RECURSIVE numbers(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < ${count})`
    const digest = "printf('%064d', value)"
    await bindings.DB.prepare(
      `${numbers(2100)} INSERT INTO blob_claims SELECT ${digest}, 'gone/' || value, 0 FROM numbers`,
    ).run()
    const left = async () => [
      ...(await rows<{ count: number }>("SELECT count(*) AS count FROM blob_claims WHERE holder LIKE 'gone/%'")),
      ...(await rows<{ count: number }>("SELECT count(*) AS count FROM condemned_blobs")),
    ]
    const seen = []
    for (let isMore = true; isMore; seen.push((await left()).map(({ count }) => count))) isMore = await purge()
    expect(seen).toEqual([
      [1100, 0],
      [100, 0],
      [0, 0],
      [0, 0],
    ])
    await bindings.DB.prepare(`${numbers(1100)} INSERT INTO condemned_blobs SELECT ${digest}, NULL FROM numbers`).run()
    expect([await purge(), (await left())[1]]).toEqual([true, { count: 100 }])
    expect([await purge(), (await left())[1]]).toEqual([false, { count: 0 }])
  })
})

describe("a deletion that breaks off", () => {
  it("goes on where it was, and leaves nothing that it had begun to delete", async () => {
    const base = await blobs()
    for (const name of ["row-1", "row-2"]) await post(`${PATH}/comparisons`, comparison(name))
    await deliverPlain(await makeEndpoint("label-studio"), { action: "TASKS_CREATED" })
    await remove()
    let deletions = 0
    const { BLOBS } = bindings
    const breaking = {
      head: (key: string) => BLOBS.head(key),
      get: (key: string) => BLOBS.get(key),
      list: (options: R2ListOptions) => BLOBS.list(options),
      delete: async (keys: string[]) => {
        if (deletions++ % 2 === 0) throw new Error("R2 does not answer")
        await BLOBS.delete(keys)
      },
    } as unknown as R2Bucket
    const attempt = () => purgeDatasets({ ...stores, BLOBS: breaking }, purgeNotes, Date.now(), 1)
    let broke = 0
    for (let time = 0; time < 40; time++)
      await attempt().catch(() => {
        broke += 1
      })
    expect(broke).toBe(2)
    expect(await blobs()).toEqual(base)
    expect((await dump()).filter((row) => row.includes(`"${DATASET}"`))).toEqual([])
  })
})

type Step = "post" | "post-other" | "bulk" | "retract" | "deliver" | "deliver-nonsense" | "score" | "purge"

describe("after a deletion in the midst of everything", () => {
  let endpoint: Endpoint
  let count = 0

  const steps: Readonly<Record<Step, () => Promise<unknown>>> = {
    // Now and then the same text goes to both: their payload is one blob.
    post: () => post(`${PATH}/comparisons`, comparison(`row-${count++ % 5}`)),
    "post-other": () => post(`/v1/datasets/${OTHER}/comparisons`, comparison(`row-${count++ % 5}`)),
    bulk: () =>
      call("POST", `${PATH}/comparisons/bulk`, {
        raw: [1, 2, 3].map((number) => JSON.stringify(comparison(`bulk-${number}-${count++}`))).join("\n"),
        headers: { "content-type": "application/x-ndjson" },
        idempotencyKey: `bulk-${count++}`,
      }),
    retract: () => post(`${PATH}/comparisons/retract`, { retractions: [{ externalId: "row-1" }] }),
    deliver: () => deliverPlain(endpoint, labelStudioEvent({ id: count++ })),
    "deliver-nonsense": () => deliverPlain(endpoint, { action: "TASKS_CREATED", count: count++ }),
    score: () => Promise.all([derivePairs(DATASET), derivePairs(OTHER)]),
    purge: () => purge(1),
  }
  const step = fc.constantFrom(...(Object.keys(steps) as Step[]))
  const ofOther = (dumped: readonly string[]) => dumped.filter((row) => row.includes(`"${OTHER}"`))

  it("nothing of the dataset is left anywhere, and every byte of the other one is as it was", async () => {
    const [before, meanwhile] = fc.sample(
      fc.tuple(fc.array(step, { minLength: 12, maxLength: 16 }), fc.array(step, { minLength: 8, maxLength: 12 })),
      { numRuns: 1, seed: 12 },
    )[0]!
    endpoint = await makeEndpoint("label-studio")
    const base = await blobs()
    for (const each of ["post", "post-other", "bulk", "score", "deliver", "deliver-nonsense", ...before] as Step[])
      await steps[each]()
    expect((await dump()).filter((row) => row.includes(`"${DATASET}"`)).length).toBeGreaterThan(10)
    const kept = ofOther(await dump())
    const going = meanwhile.filter((each) => !["post-other", "score"].includes(each)).map((each) => steps[each]())
    const [removed] = await Promise.all([remove(), ...going])
    expect(removed.status).toBe(202)
    while (await purge(1)) await steps.post()

    const left = await dump()
    expect(left.filter((row) => row.includes(`"${DATASET}"`) || row.includes(endpoint.id))).toEqual([])
    expect(ofOther(left)).toEqual(kept)
    const comparisons = new Set((await rows<{ id: string }>("SELECT id FROM comparisons")).map(({ id }) => id))
    for (const { id } of await rows<{ id: string }>(
      "SELECT comparison_id AS id FROM outbox UNION SELECT comparison_id FROM pairs UNION SELECT comparison_id FROM pair_statements",
    ))
      expect(comparisons).toContain(id)
    const texts = await rows<{ key: string }>("SELECT DISTINCT 'blobs/' || payload_digest AS key FROM comparisons")
    expect(await blobs()).toEqual([...new Set([...base, ...texts.map(({ key }) => key)])].toSorted())
    expect(await rows("SELECT * FROM blob_claims WHERE holder <> ''")).toEqual([])
  })
})

it("what becomes of the rows of every table is stated", async () => {
  expect((await tables()).toSorted()).toEqual(Object.keys(OF_DATASET).toSorted())
})
