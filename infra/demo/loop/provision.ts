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

const makeAll = async (options: ProvisionOptions): Promise<Provisioned> => ({
  ingestKey: await makeKey(options, "labelling", ["ingest"]),
  argilla: await makeEndpoint(options, "argilla", { task: "setting" }),
  labelStudio: await makeEndpoint(options, "label-studio", { task: "setting" }),
  retrain: await makeEndpoint(options, "retrain", {}),
})

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
  if (kept !== undefined && (await isKnownKey(options, kept.ingestKey))) return kept
  const made = await makeAll(options)
  writeSecrets(file, made)
  return made
}
