// What an operator does once: keys, the base model, a dataset, the labelling tools' endpoints. Done again, nothing changes.
import { createHash, randomUUID } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { call } from "#infra/local/http.ts"
import { type Administration, isKnownKey, makeKey, writeSecrets } from "#infra/local/keys.ts"
import { hasTexts, readStateFile } from "#infra/local/state-file.ts"
import { FIRST_DATASET } from "./session.ts"
import type { Endpoint } from "./traffic.ts"

export interface Provisioned {
  readonly ingestKey: string
  readonly argilla: Endpoint
  readonly labelStudio: Endpoint
  readonly retrain: Endpoint
}

export interface ProvisionOptions extends Administration {
  readonly stateDirectory: string
  readonly modelDirectory: string
  readonly datasetId: string
  readonly retrainThreshold: number
  readonly retrainConfig: Readonly<Record<string, unknown>>
}

const MODEL_FILE = /\.(json|safetensors|onnx|jinja)$/
const MODEL_NAME = "yohaku-demo-base"
const MAX_LENGTH_TOKENS = 256

const registerBaseModel = async ({ url, adminKey, modelDirectory, signal }: ProvisionOptions): Promise<number> => {
  const files: Record<string, string> = {}
  for (const name of readdirSync(modelDirectory).filter((file) => MODEL_FILE.test(file))) {
    const bytes = new Uint8Array(readFileSync(path.join(modelDirectory, name)))
    const digest = createHash("sha256").update(bytes).digest("hex")
    await call(url, "PUT", `/v1/blobs/${digest}`, { key: adminKey, bytes, signal })
    files[name] = digest
  }
  const content = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 16)
  const body = { name: MODEL_NAME, kind: "base", files }
  const options = { key: adminKey, body, idempotencyKey: `base-${content}`, signal }
  return (await call<{ version: number }>(url, "POST", "/v1/models", options)).version
}

const makeEndpoint = async (options: ProvisionOptions, source: string, mapping: object): Promise<Endpoint> => {
  const made = await call<Endpoint>(options.url, "POST", `/v1/datasets/${options.datasetId}/webhooks`, {
    key: options.adminKey,
    body: { source, mapping },
    idempotencyKey: randomUUID(),
    signal: options.signal,
  })
  return { path: made.path, secret: made.secret }
}

/** The ids of the dataset's endpoints. Those of another database are unknown. */
const knownEndpoints = async ({ url, adminKey, datasetId, signal }: ProvisionOptions): Promise<ReadonlySet<string>> => {
  const path = `/v1/datasets/${datasetId}/webhooks`
  const { items } = await call<{ items: readonly { id: string }[] }>(url, "GET", path, { key: adminKey, signal })
  return new Set(items.map(({ id }) => id))
}

/**
 * What is kept and known to the gateway, and the rest anew, each by itself: judgements belong to the endpoint that they came by, so
 * that another one would store them a second time.
 */
const completed = async (options: ProvisionOptions, kept: Provisioned | undefined): Promise<Provisioned> => {
  const known = await knownEndpoints(options)
  const endpoint = async (source: string, mapping: object, earlier: Endpoint | undefined): Promise<Endpoint> =>
    earlier !== undefined && known.has(earlier.path.split("/").at(-1)!)
      ? earlier
      : makeEndpoint(options, source, mapping)
  const hasKey = kept !== undefined && (await isKnownKey(options, kept.ingestKey))
  return {
    ingestKey: hasKey ? kept.ingestKey : await makeKey(options, "labelling", ["ingest"]),
    argilla: await endpoint("argilla", { task: "setting" }, kept?.argilla),
    labelStudio: await endpoint("label-studio", { task: "setting" }, kept?.labelStudio),
    retrain: await endpoint("retrain", {}, kept?.retrain),
  }
}

const isProvisioned = (value: unknown): value is Provisioned => {
  const { argilla, labelStudio, retrain } = (value ?? {}) as Provisioned
  return (
    hasTexts(value, "ingestKey") && [argilla, labelStudio, retrain].every((made) => hasTexts(made, "path", "secret"))
  )
}

/** Secrets are shown once, so they are kept in the state directory, readable by this user only. */
export const provision = async (options: ProvisionOptions): Promise<Provisioned> => {
  const name = options.datasetId === FIRST_DATASET ? "provisioned.json" : `provisioned-${options.datasetId}.json`
  const file = path.join(options.stateDirectory, name)
  const version = await registerBaseModel(options)
  await call(options.url, "POST", "/v1/datasets", {
    key: options.adminKey,
    idempotencyKey: `dataset-${options.datasetId}`,
    signal: options.signal,
    body: {
      id: options.datasetId,
      referenceModel: { name: MODEL_NAME, version },
      maxLength: MAX_LENGTH_TOKENS,
      retrainThreshold: options.retrainThreshold,
      retrainConfig: options.retrainConfig,
    },
  })
  const kept = readStateFile(file, isProvisioned, "delete it, and the next start makes a new key and new endpoints")
  const provisioned = await completed(options, kept)
  writeSecrets(file, provisioned)
  return provisioned
}
