// Registers a model with a gateway: digests its files, sends those that are not stored, and registers them under a name. Of a model of a hub
// only the documents are sent; its weights are registered by their digests.
// Done again after any interruption it goes on; done again after it ended it changes nothing.
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { digestFile, sha256 } from "#gpu-runner/data/files.ts"
import type { HubAccess } from "#gpu-runner/data/hub/hub-client.ts"
import { writeEdgeGraph } from "#gpu-runner/data/model/edge-graph.ts"
import { hubModel } from "#gpu-runner/data/model/hub-model.ts"
import { type ModelFile, modelFiles } from "#gpu-runner/data/model/model-files.ts"
import { EDGE_GRAPH, type HubSource, otherWeights } from "#shared/domain/Model.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { type GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { CallRefused, patiently } from "./call-failure.ts"
import { type PartsThere, type Sending, type SentFile, sendFile } from "./push-file.ts"

export type PushProgress =
  | { readonly _tag: "Digesting"; readonly file: string; readonly bytes: number; readonly totalBytes: number }
  | {
      readonly _tag: "Sending"
      readonly file: string
      readonly doneBytes: number
      readonly totalBytes: number
      readonly sentBytes: number
      /** Of the file; absent once it is stored whole. */
      readonly parts?: PartsThere
    }
  | { readonly _tag: "Stored"; readonly file: string; readonly wasBefore: boolean }
  /** Everything is stored. */
  | { readonly _tag: "Registering" }

export interface Push extends GatewayAddress {
  readonly name: string
  /** A model folder, or a model at a revision of a hub. */
  readonly from: { readonly directory: string } | FromHub
  readonly parallel: number
  readonly onProgress: (progress: PushProgress) => void
}

export interface FromHub {
  readonly access: HubAccess
  readonly repository: string
  readonly revision: string
}

export interface PushReport {
  readonly name: string
  readonly version: number
  readonly files: Readonly<Record<string, string>>
  readonly source?: HubSource
  /** Of weights that are on a hub: whether their headers were held to the configuration. Else the first runner that loads them does. */
  readonly areWeightsChecked?: boolean
  /** Safetensors from which the model is not read (of another layout, adapters), and a hub's model.onnx. Absent where there are none. */
  readonly leftOut?: readonly string[]
  readonly totalBytes: number
  /** By this push; the rest was there. */
  readonly sentBytes: number
}

/** Of all files, one after the other. Throws the signal's reason. */
const digested = async (
  files: readonly ModelFile[],
  { onProgress }: Push,
  signal: AbortSignal,
): Promise<SentFile[]> => {
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const sent: SentFile[] = []
  let before = 0
  for (const file of files) {
    const { digest } = await digestFile(file.path, (bytes) => {
      signal.throwIfAborted()
      onProgress({ _tag: "Digesting", file: file.name, bytes: before + bytes, totalBytes })
    })
    before += file.bytes
    sent.push({ ...file, digest })
  }
  return sent
}

/** What is to be sent, and what is registered besides. */
interface Found {
  readonly files: readonly SentFile[]
  /** Where files were put for this push alone. */
  readonly scratch: string
  readonly weights: Readonly<Record<string, string>>
  readonly leftOut: readonly string[]
  readonly hub?: { readonly source: HubSource; readonly areWeightsChecked: boolean }
}

const found = async (push: Push, signal: AbortSignal): Promise<Found> => {
  const { from } = push
  const scratch = mkdtempSync(path.join(tmpdir(), "yohaku-push-"))
  try {
    if ("directory" in from) {
      const files = await withGraph(from.directory, scratch)
      const read = files.map(({ name }) => name)
      const leftOut = otherWeights(readdirSync(from.directory), read)
      return { files: await digested(files, push, signal), weights: {}, leftOut, scratch }
    }
    const model = await hubModel(from.access, from.repository, from.revision, scratch)
    const { documents, weights, leftOut, source, isChecked } = model
    const hub = { source, areWeightsChecked: isChecked }
    return { files: await digested(documents, push, signal), weights, leftOut, hub, scratch }
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true })
    throw error
  }
}

/** The folder's files, and the graph by which the edge computes, where the folder has none and the model fits there. */
const withGraph = async (directory: string, scratch: string): Promise<ModelFile[]> => {
  const files = await modelFiles(directory)
  if (files.some(({ name }) => name === EDGE_GRAPH)) return files
  const graph = await writeEdgeGraph(directory, scratch)
  return graph === undefined ? files : [...files, graph].sort((left, right) => left.bytes - right.bytes)
}

const cleared = ({ scratch }: Found) => rmSync(scratch, { recursive: true, force: true })

const sendAll = Effect.fnUntraced(function* (client: Sending["client"], push: Push, files: readonly SentFile[]) {
  const totalBytes = bytesOf(files)
  let [finishedBytes, sentBytes] = [0, 0]
  const onArrived = ({ name }: SentFile, thereBytes: number, sent: number, parts?: PartsThere) => {
    sentBytes += sent
    const doneBytes = finishedBytes + thereBytes
    push.onProgress({ _tag: "Sending", file: name, doneBytes, totalBytes, sentBytes, ...(parts && { parts }) })
  }
  for (const file of files) {
    const before = sentBytes
    yield* sendFile({ client, onArrived, ...push }, file)
    finishedBytes += file.bytes
    push.onProgress({ _tag: "Stored", file: file.name, wasBefore: sentBytes === before })
  }
  return { totalBytes, sentBytes }
})

/** Files of it are not stored yet. */
const isIncomplete = (failure: unknown): boolean =>
  failure instanceof CallRefused && failure.problem === "ModelIncomplete"

const bytesOf = (files: readonly SentFile[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0)

const allThere = ({ onProgress }: Push, files: readonly SentFile[]) => {
  for (const { name } of files) onProgress({ _tag: "Stored", file: name, wasBefore: true })
  return { totalBytes: bytesOf(files), sentBytes: 0 }
}

/** Errors: those of modelFiles and hubModel, FileUnsendable, CallRefused (the gateway's words). A gateway that is away is waited for. */
export const pushModel = Effect.fn("pushModel")(function* (push: Push) {
  const client = yield* makeApiClient(push)
  const model = yield* Effect.tryPromise({ try: (signal) => found(push, signal), catch: (error) => error })
  return yield* sentAndRegistered(client, push, model).pipe(Effect.ensuring(Effect.sync(() => cleared(model))))
}, Effect.provide(FetchHttpClient.layer))

/** Registers first: a name that is taken is refused before a byte is sent, and of files that are all stored none is asked for. */
const sentAndRegistered = Effect.fnUntraced(function* (client: Sending["client"], push: Push, model: Found) {
  const { files, hub, weights, leftOut } = model
  const documents = Object.fromEntries(files.map(({ name, digest }) => [name, digest]))
  const payload = {
    ...{ name: push.name, kind: "base" as const, files: { ...documents, ...weights } },
    ...(hub === undefined ? {} : { source: hub.source }),
  }
  const headers = { "idempotency-key": `push-${sha256(canonicalJson(payload))}` }
  const register = patiently(client.models.create({ headers, payload }))
  const atOnce = yield* register.pipe(Effect.catchIf(isIncomplete, () => Effect.undefined))
  const sent = yield* atOnce === undefined ? sendAll(client, push, files) : Effect.sync(() => allThere(push, files))
  if (atOnce === undefined) push.onProgress({ _tag: "Registering" })
  const { name, version } = atOnce ?? (yield* register)
  const others = leftOut.length === 0 ? {} : { leftOut }
  const report: PushReport = { name, version, files: payload.files, ...hub, ...others, ...sent }
  return report
})
