// Every problem that /openapi.json shows is one that its schema allows, and those that a caller can provoke are answered as they are
// shown, to the letter.
import { type Schema, Validator } from "@cfworker/json-schema"
import { beforeAll, describe, expect, it } from "vitest"
import {
  ARTEFACT,
  BASE_FILES,
  COMPARISON,
  DATASET,
  ENDPOINT,
  ENDPOINT_ID,
  KEY_ID,
  LABEL_STUDIO_EVENT,
  UPLOAD_ID,
} from "#shared/api/examples.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { type Endpoint, makeEndpoint } from "./deliveries.ts"
import { bindings, call, makeKey, newKey, type Options, octets, startWorld, unsized } from "./world.ts"

interface Operation {
  readonly operationId: string
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>
}

interface Media {
  readonly schema: Schema
  readonly examples?: Readonly<Record<string, { readonly value: object }>>
}

let document: { readonly paths: Record<string, Record<string, Operation>>; readonly components: object }
let labelStudio: Endpoint

beforeAll(async () => {
  await startWorld()
  await bindings.DB.exec("DELETE FROM datasets")
  document = (await call<typeof document>("GET", "/openapi.json", { key: null })).value
})

const operations = () => Object.values(document.paths).flatMap((methods) => Object.values(methods))

/** Of every operation: its errors, each with the problems that it is shown as. */
const shown = () =>
  operations().flatMap(({ operationId, responses }) =>
    Object.entries(responses)
      .filter(([status]) => Number(status) >= 400)
      .map(([status, { content }]) => ({ operationId, status, media: content!["application/problem+json"]! })),
  )

const exampleOf = (operationId: string, name: string): object | undefined =>
  shown()
    .flatMap(({ operationId: id, media }) => (id === operationId ? [media.examples?.[name]?.value] : []))
    .find((value) => value !== undefined)

type Case = readonly [
  operation: string,
  problem: string,
  method: string,
  path: string,
  options?: Options | (() => Options),
]

const expectShown = async ([operation, problem, method, path, options = {}]: Case) => {
  const given = typeof options === "function" ? options() : options
  const target = path.replace("ENDPOINT", labelStudio?.id ?? "")
  const answer = await call(method, target, { idempotencyKey: newKey(), ...given })
  expect({ operation, problem, answer: answer.value }).toEqual({
    operation,
    problem,
    answer: exampleOf(operation, problem),
  })
}

const json = { "content-type": "application/json" }
const dataset = { id: DATASET.id, referenceModel: { name: "tiny" } }

describe("the problems that /openapi.json shows", () => {
  it("are as the schema of their answer allows, with its status, and say how to mend it", () => {
    expect(shown().length).toBeGreaterThan(250)
    for (const { operationId, status, media } of shown()) {
      const validator = new Validator({ ...media.schema, components: document.components } as Schema, "2020-12", false)
      for (const [name, { value }] of Object.entries(media.examples ?? {})) {
        expect(validator.validate(value).errors, `${operationId} ${name}`).toEqual([])
        expect(value).toMatchObject({ status: Number(status), detail: expect.stringMatching(/.{20}/) })
      }
    }
  })

  it("are answered so where nothing is there", async () => {
    const without = { secret: { "x-yohaku-secret": "a-secret-of-nobody" } }
    const cases: readonly Case[] = [
      ["datasets.get", "DatasetNotFound", "GET", `/v1/datasets/${DATASET.id}`],
      ["comparisons.create", "DatasetNotFound", "POST", `/v1/datasets/${DATASET.id}/comparisons`, { json: COMPARISON }],
      ["datasets.change", "DatasetNotFound", "PATCH", `/v1/datasets/${DATASET.id}`, { json: {} }],
      ["datasets.remove", "UnusableRequest", "DELETE", `/v1/datasets/${DATASET.id}?confirm=other`],
      ["datasets.deleteWebhook", "NotFound", "DELETE", `/v1/datasets/${DATASET.id}/webhooks/${ENDPOINT_ID}`],
      ["keys.revoke", "NotFound", "DELETE", `/v1/keys/${KEY_ID}`],
      ["models.getBlob", "NotFound", "GET", `/v1/blobs/${ARTEFACT.digest}`],
      ["uploads.get", "NotFound", "GET", `/v1/uploads/${UPLOAD_ID}`],
      ["deliveries.list", "NotFound", "GET", `/v1/webhooks/${ENDPOINT_ID}/deliveries`],
      [
        "deliveries.changeMapping",
        "NotFound",
        "PUT",
        `/v1/webhooks/${ENDPOINT_ID}/mapping`,
        { json: ENDPOINT.mapping },
      ],
      [
        ...(["webhooks.labelStudio", "NotFound", "POST", `/v1/webhooks/label-studio/${ENDPOINT_ID}`] as const),
        { json: LABEL_STUDIO_EVENT, headers: without.secret },
      ],
    ]
    for (const one of cases) await expectShown(one)
  })

  it("are answered so to what is no request that could be taken", async () => {
    const key = await makeKey("ingest")
    const path = "/v1/datasets"
    const { "tokenizer.json": _, ...files } = BASE_FILES
    const upload = `/v1/blobs/${ARTEFACT.digest}`
    const large = JSON.stringify({ ...dataset, systemText: "x".repeat(LIMITS.jsonBodyBytes) })
    const inText = { ...dataset, promptForm: "text", systemText: "Be brief." }
    const other = { ...dataset, referenceModel: { name: DATASET.referenceModel.name } }
    const { "content-length": _length, ...stream } = octets(0)
    const cases: readonly Case[] = [
      ["datasets.list", "Unauthenticated", "GET", path, { key: null }],
      ["datasets.list", "Forbidden", "GET", path, { key }],
      ["datasets.create", "Forbidden", "POST", path, { key, json: dataset }],
      ["datasets.list", "InvalidCursor", "GET", `${path}?cursor=x`],
      ["datasets.list", "InvalidRequest", "GET", `${path}?note=x`],
      ["datasets.create", "MalformedJson", "POST", path, { raw: "{", headers: json }],
      ["datasets.create", "UnsupportedMedia", "POST", path, { json: dataset, headers: { "content-encoding": "gzip" } }],
      ["datasets.create", "BodyTooLarge", "POST", path, { raw: large, headers: json }],
      ["datasets.create", "UnusableRequest", "POST", path, { json: inText }],
      ["datasets.create", "ReferenceModelUnusable", "POST", path, { json: other }],
      ["models.putBlob", "DigestMismatch", "PUT", upload, { raw: "another", headers: octets(7) }],
      ["models.putBlob", "LengthRequired", "PUT", upload, { raw: unsized("another"), headers: stream }],
      ["models.create", "ModelIncomplete", "POST", "/v1/models", { json: { name: "other", kind: "base", files } }],
    ]
    for (const one of cases) await expectShown(one)
    const keyless = await call("POST", path, { json: dataset })
    expect(keyless.value).toEqual(exampleOf("datasets.create", "IdempotencyKeyMissing"))
  })

  it("are answered so to an upload in parts that does not fit", async () => {
    const json = { digest: ARTEFACT.digest, bytes: 7 }
    const { value } = await call<{ uploadId: string }>("POST", "/v1/uploads", { json })
    const upload = `/v1/uploads/${value.uploadId}`
    await expectShown(["uploads.complete", "UploadIncomplete", "POST", `${upload}/complete`])
    const short = { raw: "six", headers: octets(3) }
    await expectShown(["uploads.putPart", "PartUnfit", "PUT", `${upload}/parts/1`, short])
    const large = { raw: unsized("x"), headers: octets(LIMITS.leastPartBytes + 1) }
    await expectShown(["uploads.putPart", "BodyTooLarge", "PUT", `${upload}/parts/1`, large])
    await call("PUT", `${upload}/parts/1`, { raw: ARTEFACT.text, headers: octets(7) })
    await call("POST", `${upload}/complete`)
    const beyond = { headers: { range: "bytes=7-" } }
    await expectShown(["models.getBlob", "RangeNotSatisfiable", "GET", `/v1/blobs/${ARTEFACT.digest}`, beyond])
  })

  it("are answered so where something is there already, or does not fit it", async () => {
    const idempotencyKey = newKey()
    expect((await call("POST", "/v1/datasets", { idempotencyKey, json: dataset })).status).toBe(201)
    labelStudio = await makeEndpoint("label-studio")
    const comparisons = `/v1/datasets/${DATASET.id}/comparisons`
    const twins = { ...COMPARISON, candidates: ["a", "b"].map((id) => ({ id, response: "It left." })) }
    const empty = { ...LABEL_STUDIO_EVENT, annotation: { ...LABEL_STUDIO_EVENT.annotation, result: [] } }
    const webhooks = `/v1/datasets/${DATASET.id}/webhooks`
    const delivery = (text: object, secret?: string) => (): Options => ({
      json: text,
      headers: { "x-yohaku-secret": secret ?? labelStudio.secret },
    })
    const taking = "/v1/webhooks/label-studio/ENDPOINT"
    const cases: readonly Case[] = [
      ["datasets.create", "Conflict", "POST", "/v1/datasets", { json: dataset }],
      [
        "datasets.create",
        "IdempotencyKeyReused",
        "POST",
        "/v1/datasets",
        { idempotencyKey, json: { ...dataset, id: "x" } },
      ],
      ["comparisons.create", "InvalidComparison", "POST", comparisons, { json: twins }],
      [
        "datasets.createWebhook",
        "UnusableRequest",
        "POST",
        webhooks,
        { json: { source: "label-studio", secret: "short" } },
      ],
      ["datasets.rotateWebhook", "NotFound", "POST", `${webhooks}/${ENDPOINT_ID}/rotate`, {}],
      ["webhooks.labelStudio", "InvalidSignature", "POST", taking, delivery(LABEL_STUDIO_EVENT, "a-secret-of-nobody")],
      ["webhooks.labelStudio", "UnusableDelivery", "POST", taking, delivery(empty)],
    ]
    for (const one of cases) await expectShown(one)
  })
})
