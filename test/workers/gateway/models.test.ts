import { beforeEach, describe, expect, it } from "vitest"
import { missingOfModel } from "#shared/domain/Model.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import {
  BASE_MODEL_FILES,
  baseModelFiles,
  bindings,
  call,
  DATASET,
  makeKey,
  octets,
  orchestrator,
  type Problem,
  post,
  putBlob,
  startWorld,
  stored,
  unsized,
} from "./world.ts"

beforeEach(startWorld)

const bytesOf = (text: string) => new TextEncoder().encode(text)

const putAs = (digest: string, raw: BodyInit, headers: Readonly<Record<string, string>>) =>
  call<Problem & { created: boolean }>("PUT", `/v1/blobs/${digest}`, { raw, headers })

describe("a blob", () => {
  it("is stored once under its digest and read back byte for byte", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000))
    const digest = await sha256Hex(bytes)
    const first = await putAs(digest, bytes, octets(bytes.length))
    expect([first.status, first.value]).toEqual([200, { digest, bytes: 60_000, created: true }])
    expect((await putAs(digest, bytes, octets(bytes.length))).value.created).toBe(false)
    const key = await makeKey("runner")
    const read = await call("GET", `/v1/blobs/${digest}`, { key })
    expect([read.status, read.headers.get("content-length"), read.headers.get("etag")]).toEqual([
      200,
      "60000",
      `"${digest}"`,
    ])
    const object = await bindings.BLOBS.get(`blobs/${digest}`)
    expect(new Uint8Array(await object!.arrayBuffer())).toEqual(bytes)
  })

  it("may be empty", async () => {
    const digest = await sha256Hex("")
    const answer = await putAs(digest, new Uint8Array(), octets(0))
    expect([answer.status, answer.value]).toEqual([200, { digest, bytes: 0, created: true }])
  })

  it("is refused when its bytes do not have its digest, and nothing is stored", async () => {
    const before = await stored()
    const digest = await sha256Hex("these")
    const refused = await putAs(digest, bytesOf("those"), octets(5))
    expect([refused.status, refused.value.type]).toEqual([422, "urn:yohaku:problem:digest-mismatch"])
    expect(await stored()).toEqual(before)
  })

  it("is refused when its digest is another blob's that is stored already, which stays", async () => {
    const digest = await sha256Hex("these")
    await putAs(digest, bytesOf("these"), octets(5))
    for (const other of ["those", "", "these and more"]) {
      const refused = await putAs(digest, bytesOf(other), octets(other.length))
      expect([refused.status, refused.value.type]).toEqual([422, "urn:yohaku:problem:digest-mismatch"])
    }
    expect((await putAs(digest, bytesOf("these"), octets(5))).value).toEqual({ digest, bytes: 5, created: false })
  })

  it("is refused without a length, over the limit, compressed, or under a name that is no digest", async () => {
    const before = await stored()
    const digest = await sha256Hex("x")
    const streamed = await putAs(digest, unsized("x"), { "content-type": "application/octet-stream" })
    expect([streamed.status, streamed.value.type]).toEqual([411, "urn:yohaku:problem:length-required"])
    const large = await putAs(digest, unsized("x"), octets(LIMITS.modelFileBytes + 1))
    expect([large.status, large.value.type]).toEqual([413, "urn:yohaku:problem:body-too-large"])
    const packed = await putAs(digest, bytesOf("x"), { ...octets(1), "content-encoding": "gzip" })
    expect(packed.status).toBe(415)
    for (const name of ["x", digest.toUpperCase(), "..%2Fescape", `${digest}0`])
      expect((await putAs(name, bytesOf("x"), octets(1))).status).toBe(400)
    expect(await stored()).toEqual(before)
  })

  it("is 404 when it is not there, and 403 for a key that may not write", async () => {
    const digest = await sha256Hex("nothing")
    expect((await call<Problem>("GET", `/v1/blobs/${digest}`)).value).toMatchObject({ status: 404, resource: "blob" })
    const key = await makeKey("read", "ingest")
    expect((await call("PUT", `/v1/blobs/${digest}`, { raw: "x", headers: octets(1), key })).status).toBe(403)
  })
})

describe("a base model", () => {
  it("is registered from uploaded files, and the same files are the same version", async () => {
    const files = await baseModelFiles()
    const first = await post("/v1/models", { name: "new", kind: "base", files })
    expect([first.status, first.value]).toMatchObject([201, { name: "new", version: 1, kind: "base", files }])
    const again = await post("/v1/models", { name: "new", kind: "base", files })
    expect(again.value).toEqual(first.value)
    expect((await call("GET", "/v1/models")).value).toEqual({
      items: [
        { name: "new", kind: "base", newestVersion: 1 },
        { name: "tiny", kind: "base", newestVersion: 1 },
      ],
    })
  })

  it("is refused for every single file that it lacks, by name", async () => {
    for (const lacking of missingOfModel({})) {
      const files = await baseModelFiles(BASE_MODEL_FILES.filter((name) => name !== lacking))
      const refused = await post<Problem>("/v1/models", { name: "new", kind: "base", files })
      expect(refused.value).toMatchObject({
        status: 422,
        type: "urn:yohaku:problem:model-incomplete",
        missing: [lacking],
      })
    }
    expect((await call("GET", "/v1/models/new")).status).toBe(404)
  })

  it("whose name an adapter has is refused for that, whatever files are stored: none is sent in vain", async () => {
    await bindings.DB.prepare(
      "INSERT INTO models (name, version, kind, digest, files, metrics, created_at) VALUES ('taken', 1, 'adapter', 'd', '{}', '{}', 5)",
    ).run()
    const files = { "config.json": "f".repeat(64) }
    const refused = await post<Problem>("/v1/models", { name: "taken", kind: "base", files })
    expect(refused.value).toMatchObject({ status: 409, type: "urn:yohaku:problem:conflict" })
    expect((await post("/v1/models", { name: "free", kind: "base", files })).status).toBe(422)
  })

  it("may have shards with an index in place of one file, and no graph: then runners compute its log-probs", async () => {
    const shards = [
      "model.safetensors.index.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
    ]
    const documents = missingOfModel({}).filter((name) => name !== "model.safetensors")
    const files = await baseModelFiles([...documents, ...shards])
    expect((await post("/v1/models", { name: "sharded", kind: "base", files })).status).toBe(201)
    const made = await post("/v1/datasets", { id: "new", referenceModel: { name: "sharded" } })
    const reference = { place: "runner", why: "no graph fits", precision: "stored" }
    expect([made.status, made.value]).toMatchObject([201, { id: "new", reference }])
    expect((await call("GET", "/v1/datasets/new")).value).toMatchObject({ reference })
  })

  it("with a source on a hub needs no stored weights; its documents it does", async () => {
    const source = { repository: "acme/tiny", commit: "0".repeat(40) }
    const files = { ...(await baseModelFiles()), "model.safetensors": "a".repeat(64) }
    const made = await post("/v1/models", { name: "named", kind: "base", files, source })
    expect([made.status, made.value]).toMatchObject([201, { files, source }])
    expect((await call("GET", "/v1/models/named")).value).toMatchObject({ versions: [{ source }] })
    const lacking = { ...files, "tokenizer.json": "a".repeat(64) }
    const refused = await post<Problem>("/v1/models", { name: "named", kind: "base", files: lacking, source })
    expect(refused.value).toMatchObject({ status: 422, missing: ["tokenizer.json"] })
    for (const odd of [{ ...source, commit: "main" }, { ...source, repository: "../x" }, {}])
      expect((await post("/v1/models", { name: "named", kind: "base", files, source: odd })).status).toBe(400)
  })

  it("is refused when a blob that it names was not uploaded", async () => {
    const files = { ...(await baseModelFiles()), "config.json": await sha256Hex("never uploaded") }
    const refused = await post<Problem>("/v1/models", { name: "new", kind: "base", files })
    expect(refused.value).toMatchObject({
      status: 422,
      missing: ["config.json"],
      detail: expect.stringMatching(/upload them with PUT .* POST \/v1\/uploads/),
    })
  })

  it("is refused with a file name that is a path, and with another kind", async () => {
    const digest = await putBlob("x")
    for (const name of ["../config.json", "a/b", "..", ".hidden", "C:x", "x".repeat(129), ""]) {
      const files = { ...(await baseModelFiles()), [name]: digest }
      const refused = await post<Problem>("/v1/models", { name: "new", kind: "base", files })
      expect([refused.status, refused.value.type]).toEqual([400, "urn:yohaku:problem:invalid-request"])
    }
    expect((await post("/v1/models", { name: "new", kind: "adapter", files: {} })).status).toBe(400)
  })
})

describe("a dataset's reference model", () => {
  it("must have all files of a base model, even if an older registry let it through", async () => {
    await bindings.DB.prepare(
      "INSERT INTO models (name, version, kind, digest, files, metrics, created_at) VALUES ('partial', 1, 'base', 'd', '{}', '{}', 0)",
    ).run()
    const refused = await post<Problem>("/v1/datasets", { id: "new", referenceModel: { name: "partial" } })
    expect(refused.value).toMatchObject({ status: 422, type: "urn:yohaku:problem:reference-model-unusable" })
    expect(refused.value.detail).toMatch(
      /lacks config\.json, tokenizer\.json, tokenizer_config\.json, model\.safetensors; /,
    )
  })
})

describe("a channel", () => {
  it("moves to a version, is told with the model, and rolls back once per Idempotency-Key", async () => {
    const move = (version: number) => post("/v1/models/tiny/channels/production", { version })
    await move(1)
    expect((await move(2)).value).toMatchObject({ channel: "production", version: 2, previousVersion: 1 })
    expect((await call("GET", "/v1/models/tiny")).value).toMatchObject({
      name: "tiny",
      versions: [{ version: 1 }],
      channels: [{ channel: "production", version: 2 }],
    })
    const back = await call("POST", "/v1/models/tiny/rollback", { idempotencyKey: "back" })
    expect(back.value).toMatchObject({ version: 1 })
    expect((await call("POST", "/v1/models/tiny/rollback", { idempotencyKey: "back" })).text).toBe(back.text)
    expect((await orchestrator.calls()).filter(([name]) => name === "rollback")).toEqual([
      ["rollback", { name: "tiny", operation: expect.stringMatching(/^\w+:back$/) }],
    ])
  })

  it("tells what evaluations say of production since: of its run's, and of those that were asked for later", async () => {
    const rate = (version: number, better: number, worse: number) => ({
      ...{ against: { name: "support-dpo", version }, wins: 6, losses: 3, ties: 1, rate: 0.65, low: 0.4, high: 0.85 },
      preference: { mean: 0.6, standardError: 0.1, low: 0.4, high: 0.8 },
      ...{ meanLength: { candidate: 1, against: 1 }, notJudged: 0, groups: [], evidence: { better, worse } },
    })
    const digest = (letter: string) => letter.repeat(64)
    const { DB } = bindings
    const version = DB.prepare(
      `INSERT INTO models (name, version, kind, digest, files, base_name, base_version, run_id, metrics, created_at)
       VALUES ('support-dpo', ?, 'adapter', ?, '{}', 'tiny', 1, ?, '{}', 0)`,
    )
    const run = JSON.stringify({ evaluate: { winRate: rate(1, 4, 0.5), answers: { prompts: digest("a") } } })
    const evaluation = DB.prepare(
      `INSERT INTO evaluations (id, model_name, version, settings, prompts_digest, status, step, detail, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, 'done', ?, 0, ?)`,
    )
    const later = (
      id: string,
      candidate: number | string,
      prompts: string,
      at: number,
      winRates: object[],
      status = "succeeded",
    ) => {
      const judge = { model: { name: "support-dpo", version: 1 } }
      const detail = { judge: { scores: digest("d"), report: digest("e"), prompts: 10, winRates } }
      const settings = { against: winRates.map((each) => (each as { against: object }).against), judge }
      return evaluation.bind(
        id,
        ...(typeof candidate === "string" ? [candidate, 1] : ["support-dpo", candidate]),
        JSON.stringify(settings),
        digest(prompts),
        status,
        JSON.stringify(detail),
        at,
      )
    }
    await DB.batch([
      version.bind(1, "d1", null),
      version.bind(2, "d2", "r2"),
      DB.prepare(
        `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
         VALUES ('r2', ?, 'api', 'dpo', 'succeeded', 'done', ?, 5, 5)`,
      ).bind(DATASET, run),
      later("e1", 2, "a", 10, [rate(1, 9, 9)]),
      later("e2", 2, "b", 20, [rate(1, 0.1, 8)]),
      later("e3", 1, "c", 30, [rate(2, 6, 0.1)]),
      later("e4", 2, "f", 40, [rate(1, 100, 1)], "running"),
      // Of a base as the candidate, and of models that have nothing to do with these.
      later("e5", "tiny", "b", 50, [rate(2, 30, 0.2)]),
      later("e6", "other", "c", 60, [rate(2, 90, 0.2)]),
    ])
    const seen = async () => (await call<{ watch?: object }>("GET", "/v1/models/support-dpo")).value.watch
    expect(await seen()).toBeUndefined()
    await post("/v1/models/support-dpo/channels/production", { version: 1 })
    await post("/v1/models/support-dpo/channels/production", { version: 2 })
    expect(await seen()).toEqual([
      {
        ...{ against: { name: "support-dpo", version: 1 }, evaluations: 3, prompts: 30 },
        ...{ evidence: { better: expect.closeTo(0.04, 12), worse: 24 }, says: "worse", since: "e3" },
      },
      {
        ...{ against: { name: "tiny", version: 1 }, evaluations: 1, prompts: 10 },
        ...{ evidence: { better: 0.2, worse: 30 }, says: "worse", since: "e5" },
      },
    ])
  })

  it("may be moved without an Idempotency-Key, because moving twice is moving once", async () => {
    expect((await call("POST", "/v1/models/tiny/channels/candidate", { json: { version: 1 } })).status).toBe(200)
    expect((await call("POST", "/v1/models/tiny/rollback")).status).toBe(400)
  })

  it("refuses what the registry refuses, an unknown channel, and a key without the scope", async () => {
    expect((await post<Problem>("/v1/models/tiny/channels/production", { version: 10 })).value).toMatchObject({
      status: 404,
      detail: "tiny has no version 10",
    })
    expect((await post("/v1/models/tiny/channels/nightly", { version: 1 })).status).toBe(400)
    expect((await post<Problem>("/v1/models/tiny/rollback", undefined)).value.type).toBe("urn:yohaku:problem:conflict")
    const key = await makeKey("train", "read")
    expect((await post("/v1/models/tiny/channels/production", { version: 1 }, { key })).status).toBe(403)
  })
})
