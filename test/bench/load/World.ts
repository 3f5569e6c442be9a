// What exists in the system under load, as far as its answers told: ids to ask for, keys of every scope, secrets to sign with.
// What the bench itself lives on (its keys, its dataset's endpoints) is never among what may be revoked, rotated or mapped anew.
import { randomUUID } from "node:crypto"
import { call } from "#infra/local/http.ts"
import type { Random } from "./Random.ts"
import type { RunningSystem } from "./running-system.ts"

export interface KnownEndpoint {
  readonly id: string
  readonly datasetId: string
  readonly source: string
  readonly secret: string
}

export interface KnownJob {
  readonly id: string
  readonly fencingToken: number
}

/** A file in one part, of bytes as `partedBytes` makes them. */
export interface KnownUpload {
  readonly uploadId: string
  readonly bytes: number
}

export interface KnownDelivery {
  readonly endpointId: string
  readonly digest: string
}

interface ToldDelivery {
  readonly digest: string
  readonly canBeReplayed: boolean
}

const SCOPES = ["ingest", "read", "train", "promote", "runner", "admin"] as const
const MODEL = "yohaku-demo-base"
/** The newest of a kind are kept. */
const MOST_KEPT = 24

export class World {
  readonly datasets: string[] = []
  readonly comparisons: string[] = []
  readonly runs: string[] = []
  readonly jobs: KnownJob[] = []
  readonly uploads: KnownUpload[] = []
  readonly cursors: string[] = []
  readonly digests: string[] = []
  /** Keys by scope; `all` are the bench's own. */
  readonly keys = new Map<string, string>()
  /** Ids of keys that nobody uses. */
  readonly spareKeys: string[] = []
  readonly endpoints: KnownEndpoint[] = []
  /** Those whose bodies are kept. */
  readonly deliveries: KnownDelivery[] = []
  readonly spareEndpoints: KnownEndpoint[] = []
  readonly models: string[] = [MODEL]
  readonly modelFiles: Record<string, string> = {}

  keep<A>(list: A[], value: A): void {
    list.push(value)
    if (list.length > MOST_KEPT) list.splice(0, list.length - MOST_KEPT)
  }

  /** Learns from an answer whatever later requests may name; `path` is the request's. */
  learn(operationId: string, value: unknown, path = ""): void {
    if (typeof value !== "object" || value === null) return
    const told = value as Record<string, unknown>
    if (typeof told.nextCursor === "string") this.keep(this.cursors, told.nextCursor)
    if (typeof told.runId === "string") this.keep(this.runs, told.runId)
    if (operationId === "comparisons.create") this.keep(this.comparisons, String(told.id))
    if (operationId === "keys.create") this.keep(this.spareKeys, String(told.id))
    if (operationId === "datasets.createWebhook") this.keep(this.spareEndpoints, told as never as KnownEndpoint)
    if (operationId === "models.putBlob") this.keep(this.digests, String(told.digest))
    if (operationId === "uploads.begin" && told.status === "open" && told.partCount === 1)
      this.keep(this.uploads, told as never as KnownUpload)
    if (operationId === "deliveries.list") this.#learnDeliveries(told.items as ToldDelivery[], path)
    const job = told.job as { jobId: string; fencingToken: number } | null | undefined
    if (operationId === "runner.lease" && job) this.keep(this.jobs, { id: job.jobId, fencingToken: job.fencingToken })
  }

  #learnDeliveries(items: readonly ToldDelivery[], path: string): void {
    const endpointId = path.split("/")[3]!
    for (const { digest, canBeReplayed } of items) if (canBeReplayed) this.keep(this.deliveries, { endpointId, digest })
  }

  endpointOf(source: string, random: Random): KnownEndpoint {
    const known = [...this.endpoints, ...this.spareEndpoints].filter((endpoint) => endpoint.source === source)
    return random.pick(known)
  }
}

/** The world of a system that has just been started, with a second dataset, a key of each scope, and a run's id. */
export const openWorld = async ({ url, adminKey, datasetId, provisioned }: RunningSystem): Promise<World> => {
  const world = new World()
  const create = <A>(path: string, body: unknown): Promise<A> =>
    call<A>(url, "POST", path, { key: adminKey, idempotencyKey: randomUUID(), body })
  const model = await call<{ versions: { version: number; files: Record<string, string> }[] }>(
    url,
    "GET",
    `/v1/models/${MODEL}`,
    { key: adminKey },
  )
  Object.assign(world.modelFiles, model.versions[0]!.files)
  world.digests.push(world.modelFiles["config.json"]!, world.modelFiles["tokenizer_config.json"]!)
  await create("/v1/datasets", { id: `${datasetId}-text`, referenceModel: { name: MODEL }, promptForm: "text" })
  world.datasets.push(datasetId, `${datasetId}-text`)
  for (const scope of SCOPES)
    world.keys.set(scope, (await create<{ key: string }>("/v1/keys", { label: scope, scopes: [scope] })).key)
  for (const [source, { path, secret }] of Object.entries({
    argilla: provisioned.argilla,
    "label-studio": provisioned.labelStudio,
    retrain: provisioned.retrain,
  }))
    world.endpoints.push({ id: path.split("/").at(-1)!, datasetId, source, secret })
  for (const { source } of world.endpoints)
    world.learn("datasets.createWebhook", await create(`/v1/datasets/${datasetId}-text/webhooks`, { source }))
  world.learn("keys.create", await create("/v1/keys", { label: "spare", scopes: ["read"] }))
  return world
}
