// Registers a model folder with a gateway: digests its files, sends those that are not stored, and registers them under a name.
// Done again after any interruption it goes on; done again after it ended it changes nothing.
import { createHash } from "node:crypto"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { readPieces, sha256 } from "#gpu-runner/data/files.ts"
import { type ModelFile, modelFiles } from "#gpu-runner/data/model/model-files.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { type GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { toCallFailure, whenReachable } from "./call-failure.ts"
import { type SentFile, sendFile } from "./push-file.ts"

export type PushProgress =
  | { readonly _tag: "Digesting"; readonly file: string; readonly bytes: number; readonly totalBytes: number }
  | {
      readonly _tag: "Sending"
      readonly file: string
      readonly doneBytes: number
      readonly totalBytes: number
      readonly sentBytes: number
    }

export interface Push extends GatewayAddress {
  readonly name: string
  readonly directory: string
  readonly parallel: number
  readonly onProgress: (progress: PushProgress) => void
  readonly onUnavailable: (message: string) => void
}

export interface PushReport {
  readonly name: string
  readonly version: number
  readonly files: Readonly<Record<string, string>>
  readonly totalBytes: number
  /** By this push; the rest was there. */
  readonly sentBytes: number
}

/** Of all files, one after the other. */
const digested = (files: readonly ModelFile[], { onProgress }: Push): SentFile[] => {
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let read = 0
  return files.map((file) => {
    const hash = createHash("sha256")
    for (const piece of readPieces(file.path)) {
      hash.update(piece)
      read += piece.length
      onProgress({ _tag: "Digesting", file: file.name, bytes: read, totalBytes })
    }
    return { ...file, digest: hash.digest("hex") }
  })
}

/** Errors: those of modelFiles, FileUnsendable, CallRefused (the gateway's words). A gateway that is away is waited for. */
export const pushModel = Effect.fn("pushModel")(function* (push: Push) {
  const client = yield* makeApiClient(push)
  const files = digested(
    yield* Effect.tryPromise({ try: () => modelFiles(push.directory), catch: (error) => error }),
    push,
  )
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let [finishedBytes, sentBytes] = [0, 0]
  const onArrived = ({ name }: SentFile, thereBytes: number, sent: number) => {
    sentBytes += sent
    push.onProgress({ _tag: "Sending", file: name, doneBytes: finishedBytes + thereBytes, totalBytes, sentBytes })
  }
  for (const file of files) {
    yield* sendFile({ client, onArrived, ...push }, file)
    finishedBytes += file.bytes
  }
  const payload = {
    name: push.name,
    kind: "base" as const,
    files: Object.fromEntries(files.map(({ name, digest }) => [name, digest])),
  }
  const headers = { "idempotency-key": `push-${sha256(canonicalJson(payload))}` }
  const { name, version } = yield* whenReachable(
    Effect.mapError(client.models.create({ headers, payload }), toCallFailure),
  )
  return { name, version, files: payload.files, totalBytes, sentBytes } satisfies PushReport
}, Effect.provide(FetchHttpClient.layer))
