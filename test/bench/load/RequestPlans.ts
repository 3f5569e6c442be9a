// One request from a seed and an index: an operation of the API as it should be used, or disturbed in one of its parts. What is planned
// depends on what earlier answers told, so that a request is repeated by what was kept of it, not by its index alone.
import { gzipSync } from "node:zlib"
import { argillaHeaders, standardWebhookHeaders } from "#infra/demo/loop/signing.ts"
import { spoiled, spoiledBytes, wireText } from "./hostile-values.ts"
import type { JsonSchema, Operation } from "./operations.ts"
import { Random } from "./Random.ts"
import type { SchemaValues } from "./schema-values.ts"
import {
  anyMethod,
  anySegment,
  type Headers,
  segmentOf,
  spoiledHeaders,
  spoiledPath,
  spoiledQuery,
} from "./spoil-http.ts"
import { bodyOf, bytesOf, digestOf, eventOf, linesOf, namesInEvent, partedBytes, rowsOf } from "./valid-bodies.ts"
import type { KnownUpload, World } from "./World.ts"

/** Opens the model that it registers: a second of work each, which would be half of it all. */
const COSTLY = "models.create"

/** What of a request is not as it should be. */
const DISTURBED = { nothing: 36, value: 30, bytes: 7, headers: 9, path: 6, query: 5, method: 3, framing: 4 }
type Disturbed = keyof typeof DISTURBED

export interface Plan {
  readonly index: number
  readonly operation: Operation
  readonly disturbed: Disturbed
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer> | undefined
  /** `cut`: the connection is closed before the stated length has been sent. */
  readonly framing: "length" | "chunked" | "cut"
  /** External ids that it states, line by line of a bulk upload; a body that was disturbed as bytes has none that are known. */
  readonly names: readonly string[]
}

interface Subject {
  readonly id?: string
  readonly endpointId?: string
  readonly digest?: string
  readonly jobId?: string
  readonly uploadId?: string
  readonly fencingToken?: number
}

interface Body {
  readonly bytes: Uint8Array<ArrayBuffer> | undefined
  readonly names: readonly string[]
}

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

const SCOPE_OF: Readonly<Record<string, string>> = {
  comparisons: "ingest",
  runs: "train",
  models: "admin",
  uploads: "runner",
  runner: "runner",
}

const nameIn = (value: unknown): string => {
  const held = (value as { externalId?: unknown } | null)?.externalId
  return typeof held === "string" ? held : ""
}

export class RequestPlans {
  readonly #operations: readonly Operation[]
  readonly #values: SchemaValues
  readonly #world: World
  readonly #seed: number

  constructor(operations: readonly Operation[], values: SchemaValues, world: World, seed: number) {
    this.#operations = operations
    this.#values = values
    this.#world = world
    this.#seed = seed
  }

  plan(index: number): Plan {
    const random = new Random(`${this.#seed}/${index}`)
    const picked = random.pick(this.#operations)
    const operation = picked.id === COSTLY && random.chance(0.8) ? random.pick(this.#operations) : picked
    const disturbed = random.weighted(DISTURBED)
    const name = `g${this.#seed}-${index}`
    const upload = operation.path.includes("{uploadId}") ? this.#world.uploads.at(-1) : undefined
    const { bytes: whole, names } = this.#body(operation, disturbed, name, upload, random)
    const bytes = whole !== undefined && disturbed === "bytes" ? spoiledBytes(whole, random) : whole
    const subject = { ...this.#subject(operation, bytes, random), ...(random.chance(0.85) ? upload : {}) }
    const path = this.#target(operation, disturbed, subject, random)
    const framing =
      disturbed === "framing" ? random.pick(["chunked", "cut", "gzip", "gzip-chunked"] as const) : "length"
    const headers = this.#headers(operation, name, bytes, subject, random)
    const isPacked = framing.startsWith("gzip")
    return {
      ...{ index, operation, disturbed, names: disturbed === "bytes" ? [] : names },
      method: disturbed === "method" ? anyMethod(random) : operation.method,
      path,
      headers: {
        ...(disturbed === "headers" ? spoiledHeaders(headers, random) : headers),
        ...(isPacked ? { "content-encoding": "gzip" } : {}),
      },
      body: isPacked && bytes !== undefined ? new Uint8Array(gzipSync(bytes)) : bytes,
      framing: framing === "gzip" ? "length" : framing === "gzip-chunked" ? "chunked" : framing,
    }
  }

  #body(
    operation: Operation,
    disturbed: Disturbed,
    name: string,
    upload: KnownUpload | undefined,
    random: Random,
  ): Body {
    if (operation.body === undefined)
      return ["value", "bytes", "framing"].includes(disturbed) && random.chance(0.3)
        ? { bytes: utf8(wireText(spoiled({ any: name }, random))), names: [] }
        : { bytes: undefined, names: [] }
    const { media, schema } = operation.body
    const disturb = (value: unknown) => (disturbed === "value" ? spoiled(value, random) : value)
    if (media === "application/octet-stream")
      return { bytes: upload === undefined ? bytesOf(random) : partedBytes(upload.bytes), names: [] }
    if (operation.id === "runner.metrics") return this.#lines([{ step: 1, loss: 0.5 }].map(disturb))
    if (media.includes("ndjson")) {
      const lines = random.chance(0.8) ? linesOf(name, random) : rowsOf(random)
      return this.#lines(lines.map((line) => (random.chance(0.4) ? disturb(line) : line)))
    }
    return this.#jsonBody(operation, schema, name, random, disturb, disturbed)
  }

  #jsonBody(
    operation: Operation,
    schema: JsonSchema,
    name: string,
    random: Random,
    disturb: (value: unknown) => unknown,
    disturbed: Disturbed,
  ): Body {
    const source = this.#sourceOf(operation)
    if (source !== undefined) {
      const event = eventOf(source, name, random)
      const names = disturbed === "value" ? [] : namesInEvent(source, event, name)
      return { bytes: utf8(wireText(disturb(event))), names }
    }
    const fitting = random.chance(0.7) ? bodyOf(operation.id, name, this.#world, random) : undefined
    const value = disturb(fitting ?? this.#values.valueOf(schema, random))
    return { bytes: utf8(wireText(value)), names: [nameIn(value)] }
  }

  #lines(lines: readonly unknown[]): Body {
    const texts = lines.map(wireText)
    const names = texts.some((text) => text.includes("\n")) ? [] : lines.map(nameIn)
    return { bytes: utf8(texts.map((text) => `${text}\n`).join("")), names }
  }

  #sourceOf({ id }: Operation): string | undefined {
    if (id === "webhooks.argilla" || id === "deliveries.deliver") return "argilla"
    if (id === "webhooks.labelStudio") return "label-studio"
    return id === "webhooks.retrain" ? "retrain" : undefined
  }

  /** What the parts of one request must share to mean something. */
  #subject(operation: Operation, bytes: Uint8Array | undefined, random: Random): Subject {
    const world = this.#world
    const source = this.#sourceOf(operation)
    const { deliveries, jobs, endpoints, spareEndpoints } = world
    if (source !== undefined) return { endpointId: world.endpointOf(source, random).id }
    if (operation.id === "deliveries.replay" && deliveries.length > 0 && random.chance(0.8))
      return random.pick(deliveries)
    if (operation.id === "deliveries.list") return { endpointId: random.pick([...endpoints, ...spareEndpoints]).id }
    if (operation.id === "datasets.rotateWebhook" && random.chance(0.85)) {
      const { id: endpointId, datasetId: id } = random.pick(spareEndpoints)
      return { endpointId, id }
    }
    const job = operation.path.includes("{jobId}") && random.chance(0.85) ? jobs.at(-1) : undefined
    const digest = operation.method === "PUT" ? { digest: digestOf(bytes ?? utf8("")) } : {}
    return { ...digest, ...(job === undefined ? {} : { jobId: job.id, fencingToken: job.fencingToken }) }
  }

  /** The path with its parameters and query. */
  #target(operation: Operation, disturbed: Disturbed, subject: Subject, random: Random): string {
    const world = this.#world
    const wrong = disturbed === "path" ? random.below(operation.parameters.length + 1) : -1
    let path = operation.path
    const query = new URLSearchParams()
    for (const [index, parameter] of operation.parameters.entries()) {
      const { name } = parameter
      if (parameter.in === "query" && (parameter.required || random.chance(0.4)))
        query.set(name, this.#queryValue(name, parameter.schema, random))
      if (parameter.in !== "path") continue
      const own = subject[name as keyof Subject]?.toString()
      const segment = index === wrong ? anySegment(random, world) : (own ?? segmentOf(parameter, path, world, random))
      path = path.replace(`{${name}}`, () => segment)
    }
    if (disturbed === "path" && wrong === operation.parameters.length) path = spoiledPath(path, random)
    const asked = disturbed === "query" ? spoiledQuery(query.toString(), random) : query.toString()
    return asked === "" ? path : `${path}?${asked}`
  }

  #queryValue(name: string, schema: JsonSchema, random: Random): string {
    if (name === "limit") return String(1 + random.below(100))
    if (name === "fromStep") return String(random.below(10))
    if (name === "cursor") return this.#world.cursors.length === 0 ? "x" : random.pick(this.#world.cursors)
    if (name === "datasetId") return random.pick(this.#world.datasets)
    return String(this.#values.valueOf(schema, random))
  }

  #headers(
    operation: Operation,
    name: string,
    bytes: Uint8Array<ArrayBuffer> | undefined,
    { endpointId, fencingToken = 1 }: Subject,
    random: Random,
  ): Headers {
    const headers: Headers = {}
    if (operation.body !== undefined) headers["content-type"] = operation.body.media
    if (operation.needsKey) headers.authorization = `Bearer ${this.#key(operation, random)}`
    for (const parameter of operation.parameters) {
      if (parameter.name === "idempotency-key")
        headers["idempotency-key"] = random.chance(0.04) ? `shared-${random.below(20)}` : name
      if (parameter.name === "yohaku-fencing-token") headers["yohaku-fencing-token"] = String(fencingToken)
    }
    if (endpointId === undefined || operation.needsKey) return headers
    return { ...headers, ...this.#signature(operation, name, bytes ?? utf8(""), endpointId) }
  }

  /** A key that may do it, seldom one that may not. */
  #key({ id }: Operation, random: Random): string {
    const { keys } = this.#world
    if (random.chance(0.06)) return random.pick([...keys.values()])
    const scope = random.chance(0.5) ? SCOPE_OF[id.split(".")[0]!] : undefined
    return keys.get(scope ?? "admin")!
  }

  #signature({ id }: Operation, name: string, bytes: Uint8Array, endpointId: string): Headers {
    const { endpoints, spareEndpoints } = this.#world
    const secret = [...endpoints, ...spareEndpoints].find((endpoint) => endpoint.id === endpointId)?.secret ?? ""
    if (id === "webhooks.labelStudio") return { "x-yohaku-secret": secret }
    const text = new TextDecoder().decode(bytes)
    if (id === "webhooks.argilla") return argillaHeaders(secret, name, text, new Date().toISOString())
    return standardWebhookHeaders(secret, name, text, Math.floor(Date.now() / 1000))
  }
}
