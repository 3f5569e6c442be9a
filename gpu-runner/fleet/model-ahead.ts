// What can be known of a model before its weights are fetched, which may be gigabytes: its documents, and the heads of its weights. A job that
// this device cannot hold is refused by them.
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import { firstBytes } from "#gpu-runner/data/first-bytes.ts"
import { hubAccess } from "#gpu-runner/data/hub/hub-client.ts"
import { hubSource } from "#gpu-runner/data/hub/hub-source.ts"
import { readModelHeads } from "#gpu-runner/data/model/model-folder.ts"
import type { WeightHead } from "#gpu-runner/data/model/model-weights.ts"
import { headOfWeights } from "#gpu-runner/data/model/weight-head.ts"
import type { Files } from "#shared/domain/Files.ts"
import { type HubSource, isWeights } from "#shared/domain/Model.ts"
import type { FileStart } from "#shared/formats/weights/safetensors-head.ts"
import { WEIGHTS_INDEX, weightFiles } from "#shared/formats/weights/safetensors-index.ts"
import { cachedModelFolder, type FileStore, fileHere } from "./blob-cache.ts"
import { FetchProgress } from "./fetch-progress.ts"
import { attempt } from "./job-failure.ts"
import { RunnerApi } from "./RunnerApi.ts"

interface Sought {
  readonly name: string
  readonly digest: string
  /** Where it is on this machine. */
  readonly file: string | undefined
  readonly source: HubSource | undefined
}

/** What does not answer is not told of here: the fetch of the whole file says so, after trying again. */
const startFromHub = ({ hub }: FileStore, { name, digest, source }: Sought, bytes: number) =>
  source === undefined
    ? Effect.undefined
    : attempt((signal) =>
        firstBytes(hubSource(hub ?? hubAccess(process.env), { ...source, path: name, digest }), bytes, signal),
      ).pipe(Effect.catch(() => Effect.undefined))

const localStart = (file: string, bytes: number): FileStart => {
  const { size: fileBytes } = statSync(file)
  const descriptor = openSync(file, "r")
  try {
    const start = new Uint8Array(Math.min(bytes, fileBytes))
    return { bytes: start.subarray(0, readSync(descriptor, start)), fileBytes }
  } finally {
    closeSync(descriptor)
  }
}

/** What is no head is not told of here either: the whole file's digest says more. */
const headOf = Effect.fnUntraced(function* (store: FileStore, sought: Sought) {
  const api = yield* RunnerApi
  const onFetched = yield* FetchProgress
  const { name, digest, file } = sought
  const start = (bytes: number): Effect.Effect<FileStart | undefined> =>
    file !== undefined
      ? Effect.sync(() => localStart(file, bytes))
      : whenReachable(api.blobStart(digest, bytes)).pipe(Effect.catch(() => startFromHub(store, sought, bytes)))
  if (file === undefined) onFetched(`the head of ${name}`, 0, Number.POSITIVE_INFINITY)
  return yield* attempt((signal) => headOfWeights(name, (bytes) => Effect.runPromise(start(bytes), { signal }))).pipe(
    Effect.catch(() => Effect.undefined),
  )
})

/** Which files hold the weights, as whoever reads the whole model finds them. */
const weightNames = (folder: string, base: Files) => {
  const index = path.join(folder, WEIGHTS_INDEX)
  return weightFiles(Object.keys(base), existsSync(index) ? readFileSync(index, "utf8") : undefined)
}

/**
 * The model, to plan with; undefined where its weights are on this machine already, and where nobody tells their beginnings. Fails with what
 * fetching the documents fails with.
 */
export const modelAhead = Effect.fn("modelAhead")(function* (store: FileStore, base: Files, source?: HubSource) {
  const documents = Object.fromEntries(Object.entries(base).filter(([name]) => !isWeights(name)))
  const folder = yield* cachedModelFolder(store, documents)
  const names = yield* attempt(async () => weightNames(folder, base))
  const sought: Sought[] = []
  for (const name of names) {
    const digest = base[name]
    if (digest === undefined) return undefined
    sought.push({ name, digest, file: yield* fileHere(store, name, digest), source })
  }
  if (sought.every(({ file }) => file !== undefined)) return undefined
  const heads: WeightHead[] = []
  for (const one of sought) {
    const tensors = yield* headOf(store, one)
    if (tensors === undefined) return undefined
    heads.push({ name: one.name, digest: one.digest, tensors })
  }
  // Heads that came from elsewhere are held to no digest: where they are another model's, fetching the files says so.
  return yield* attempt(() => readModelHeads(folder, heads)).pipe(Effect.catch(() => Effect.undefined))
})
