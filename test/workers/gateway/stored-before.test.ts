// A database from before deliveries and endpoints were kept: what is stored there stays valid, and is known again.
import { applyD1Migrations } from "cloudflare:test"
import { beforeEach, describe, expect, it } from "vitest"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { emptyStores } from "../empty-stores.ts"
import { deliverPlain, type Endpoint, labelStudioEvent, makeEndpoint } from "./deliveries.ts"
import { bindings, DATASET, rows, startWorld } from "./world.ts"

const isNew = ({ name }: { readonly name: string }) => name >= "0003"

/** The comparison that an event of the tool was stored as, named as it was then. */
const said = {
  externalId: "17",
  prompt: "Why is tea hot?",
  candidates: [
    { id: "answer1", response: "Because…" },
    { id: "answer2", response: "It is not." },
  ],
  judgement: { kind: "choice", winner: "answer1" },
  annotator: "3",
  labelledAt: "2026-11-01T10:00:00.000000Z",
}

const AT_MS = Date.parse(said.labelledAt)
const OLD_ENDPOINTS = ["first", "second"]

/** What the old gateway had: some endpoints of Label Studio, and one comparison of an annotation. */
const storedBefore = async (endpoints: number, status: string) => {
  await emptyStores(bindings.DB)
  await applyD1Migrations(
    bindings.DB,
    bindings.MIGRATIONS.filter((migration) => !isNew(migration)),
  )
  const content = await sha256Hex(canonicalJson(said))
  const id = await sha256Hex(canonicalJson({ content, dataset: DATASET, externalId: "17", source: "label-studio" }))
  const insert = (sql: string, ...values: (string | number)[]) => bindings.DB.prepare(sql).bind(...values)
  await bindings.DB.batch([
    insert(
      `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at)
       VALUES (?, 'tiny', 1, 64, '{}', 0)`,
      DATASET,
    ),
    ...OLD_ENDPOINTS.slice(0, endpoints).map((name) =>
      insert(
        `INSERT INTO webhook_endpoints (id, dataset_id, source, secrets, mapping, created_at)
         VALUES (?, ?, 'label-studio', '[]', '{}', 0)`,
        name,
        DATASET,
      ),
    ),
    insert(
      `INSERT INTO comparisons (id, dataset_id, source, external_id, judgement_kind, payload_digest, payload_line, status,
                                labelled_at, received_at)
       VALUES (?, ?, 'label-studio', '17', 'choice', 'd', 0, ?, ?, 0)`,
      ...[id, DATASET, status, AT_MS],
    ),
  ])
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS)
}

beforeEach(startWorld)

const states = () => rows("SELECT endpoint_id, status FROM comparisons ORDER BY rowid")

describe("a comparison that was stored before", () => {
  it("belongs to the only endpoint of its tool, and to none where there are two", async () => {
    await storedBefore(1, "received")
    expect(await states()).toEqual([{ endpoint_id: "first", status: "received" }])
    await storedBefore(2, "received")
    expect(await states()).toEqual([{ endpoint_id: "", status: "received" }])
  })

  it("is known again when the tool sends it again, and changes with it", async () => {
    await storedBefore(2, "received")
    const endpoint: Endpoint = await makeEndpoint("label-studio")
    expect((await deliverPlain(endpoint, labelStudioEvent())).value).toEqual({ status: "duplicate" })
    const skipped = { was_cancelled: true, updated_at: "2026-11-01T11:00:00Z" }
    await deliverPlain(endpoint, labelStudioEvent(skipped, { action: "ANNOTATION_UPDATED" }))
    expect(await states()).toEqual([{ endpoint_id: endpoint.id, status: "retracted" }])
  })

  it("and was taken back stays so, until something later is said", async () => {
    await storedBefore(2, "retracted")
    const endpoint: Endpoint = await makeEndpoint("label-studio")
    const again = (changes: { readonly updated_at: string }) =>
      deliverPlain(endpoint, labelStudioEvent(changes, { action: "ANNOTATION_UPDATED" }))
    expect((await again({ updated_at: "2026-11-01T09:00:00Z" })).value.status).toBe("ignored")
    expect((await again({ updated_at: "2026-11-01T11:00:00Z" })).value.status).toBe("accepted")
    expect((await states()).map(({ status }) => status)).toEqual(["retracted", "retracted", "received"])
  })
})

it("a run that was evaluated before its drift was called so is read, with the measure under its name", async () => {
  await emptyStores(bindings.DB)
  const isOld = ({ name }: { readonly name: string }) => name < "0006"
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS.filter(isOld))
  const evaluate = { baseAccuracy: 0.5, accuracy: 0.75, accuracyLow: 0.5, accuracyHigh: 0.875, pairs: 8 }
  await bindings.DB.batch([
    bindings.DB.prepare(
      `INSERT INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at)
       VALUES ('support', 'tiny', 1, 64, '{}', 0)`,
    ),
    ...[{ evaluate: { ...evaluate, klPerToken: 0.1234567890123 } }, {}].map((detail, index) =>
      bindings.DB.prepare(
        `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
         VALUES (?, 'support', 'api', 'dpo', 'succeeded', 'done', ?, ?, 0)`,
      ).bind(`run-${index}`, JSON.stringify(detail), index),
    ),
  ])
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS)
  const details = await rows<{ detail: string }>("SELECT detail FROM runs ORDER BY id")
  expect(details.map(({ detail }) => JSON.parse(detail))).toEqual([
    { evaluate: { ...evaluate, driftPerToken: 0.1234567890123 } },
    {},
  ])
})
