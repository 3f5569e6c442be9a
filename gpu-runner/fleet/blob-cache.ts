// Blobs a runner has fetched, kept on disk under their digest, and model folders assembled from them by links. A blob streams to disk, goes on
// after an interruption, and appears under its final name only when it is complete and verified: it is never held in memory. A disk may damage
// it later: it is held to its digest whenever it is used, weights of a model while they are read.
import { randomUUID } from "node:crypto"
import { existsSync, linkSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, utimesSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import { CallRefused } from "#gpu-runner/client/call-failure.ts"
import type { FileDamaged } from "#gpu-runner/data/errors.ts"
import { sha256 } from "#gpu-runner/data/files.ts"
import { type HubAccess, hubAccess } from "#gpu-runner/data/hub/hub-client.ts"
import { type FileOnHub, hubSource } from "#gpu-runner/data/hub/hub-source.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { causeInWords } from "#gpu-runner/data/network-cause.ts"
import { type TransferOptions, transferFile } from "#gpu-runner/data/transfer.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import type { Files } from "#shared/domain/Files.ts"
import { type HubSource, isWeights } from "#shared/domain/Model.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { FetchProgress } from "./fetch-progress.ts"
import { attempt, JobFailed } from "./job-failure.ts"
import { digestOf, type OwnModels } from "./own-models.ts"
import { RunnerApi } from "./RunnerApi.ts"

/** The hub has another file than the one that was registered. */
export class HubServesOtherBytes extends taggedError("HubServesOtherBytes") {
  constructor({ repository, commit, path: name, digest }: FileOnHub, found: string) {
    super(
      `${name} of ${repository} at ${commit} has the digest ${found} at the hub, and ${digest} was registered; it is not used: push the registered files (yohaku model push), or register the model again`,
    )
  }
}

/** The hub did not answer in several tries. What was fetched is kept. */
export class HubAway extends taggedError("HubAway") {
  constructor({ repository, path: name }: FileOnHub, { endpoint }: HubAccess, cause: unknown) {
    super(
      `the hub ${endpoint} does not answer (${causeInWords(cause)}), and ${name} of ${repository} is there only; it is asked again, and what was fetched is kept. If other machines reach it, see to this runner's network and HF_ENDPOINT, or put the model into the folder of --models`,
      { cause },
    )
  }
}

/** Where a runner keeps files, and where it looks before it fetches any. */
export interface FileStore {
  /** Of blobs, model folders and unfinished jobs. */
  readonly directory: string
  /** Models that lie on this machine already. */
  readonly ownModels?: OwnModels | undefined
  /** For weights that are on a hub only; as the environment says. */
  readonly hub?: HubAccess | undefined
  /** How long it is waited for. */
  readonly hubPatience?: Pick<TransferOptions, "retryDelayMs" | "stallMs"> | undefined
}

/** Names of files in a model folder come from the gateway: they must be plain names, never paths. */
const isPlainName = (name: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(name)

/** The path of a blob on this machine, fetched first if it is not there; `name` is what is told of it meanwhile. */
export const cachedBlob = Effect.fn("cachedBlob")(function* (directory: string, digest: string, name = digest) {
  const file = path.join(directory, "blobs", digest)
  if (yield* hasDigest(file, digest)) {
    noteUse(file)
    return file
  }
  rmSync(file, { force: true })
  const api = yield* RunnerApi
  const onFetched = yield* FetchProgress
  yield* api.download(digest, file, (bytes, total) => onFetched(name, bytes, total))
  return file
})

const hasDigest = (file: string, digest: string) =>
  existsSync(file) ? attempt(async (signal) => (await digestOf(file, signal)) === digest) : Effect.succeed(false)

/** The next job fetches weights again that were found to be damaged; a file of the runner's own is passed over from then on. */
export const discardDamaged = ({ directory, ownModels }: FileStore, { path: file, digest }: FileDamaged): void => {
  const own = linkTarget(file)
  if (own === undefined) rmSync(path.join(directory, "blobs", digest), { force: true })
  else ownModels?.forget(own)
  rmSync(path.dirname(file), { recursive: true, force: true })
}

/** What was made on this machine needs no fetching: by a link its file is the blob of its digest too. It must not be written in place later. */
export const keepAsBlob = (directory: string, digest: string, made: string): void => {
  const file = path.join(directory, "blobs", digest)
  if (existsSync(file)) return
  makeFolder(path.dirname(file))
  linkSync(made, file)
}

/** What was used longest ago is removed first (prune-cache.ts). */
const noteUse = (file: string): void => {
  const now = new Date()
  utimesSync(file, now, now)
}

/**
 * The ONNX twin is for the edge; a runner computes from the safetensors. Those are not held to their digests here, but while they are read
 * (readModelFolder): a large model is not read twice.
 */
export const cachedModelFolder = (store: FileStore, base: Files, source?: HubSource) =>
  cachedFolder(
    store,
    Object.fromEntries(Object.entries(base).filter(([name]) => !name.endsWith(".onnx"))),
    source,
    isWeights,
  )

/**
 * A folder holding `files` (file name -> digest) under their names; the same files are the same folder. Weights may be at `source` only.
 * Whoever reads a file of which `isHeldLater` holds it to its digest.
 */
export const cachedFolder = Effect.fn("cachedFolder")(function* (
  store: FileStore,
  files: Files,
  source?: HubSource,
  isHeldLater: (name: string) => boolean = () => false,
) {
  const { directory } = store
  const entries = Object.entries(files)
  const odd = entries.find(([name]) => !isPlainName(name))
  if (odd !== undefined)
    return yield* new CallRefused({ status: 200, message: `refusing the file name ${JSON.stringify(odd[0])}` })
  const folder = path.join(directory, "folders", sha256(canonicalJson(files)))
  if (existsSync(folder)) {
    if (yield* isIntact(store, folder, entries, isHeldLater)) {
      for (const name of readdirSync(folder))
        if (linkTarget(path.join(folder, name)) === undefined) noteUse(path.join(folder, name))
      return folder
    }
    rmSync(folder, { recursive: true })
  }
  const temporary = `${folder}.${randomUUID()}`
  makeFolder(temporary)
  for (const [name, digest] of entries) {
    const own = yield* ownFile(store, name, digest)
    const link = path.join(temporary, name)
    if (own === undefined) linkSync(yield* fetched(store, name, digest, source), link)
    else symlinkSync(own, link)
  }
  if (existsSync(folder)) rmSync(temporary, { recursive: true })
  else renameSync(temporary, folder)
  return folder
})

const ownFile = ({ ownModels }: FileStore, name: string, digest: string) =>
  ownModels === undefined ? Effect.undefined : attempt((signal) => ownModels.find(name, digest, signal))

/** The file of this name and digest where it is on this machine already. */
export const fileHere = Effect.fnUntraced(function* (store: FileStore, name: string, digest: string) {
  const blob = path.join(store.directory, "blobs", digest)
  return existsSync(blob) ? blob : yield* ownFile(store, name, digest)
})

/** From the gateway, or weights that it does not have from the hub. */
const fetched = (store: FileStore, name: string, digest: string, source: HubSource | undefined) =>
  cachedBlob(store.directory, digest, name).pipe(
    Effect.catchTag("CallRefused", (refusal): Effect.Effect<string, CallRefused | JobFailed> => {
      if (refusal.status !== 404) return Effect.fail(refusal)
      return source === undefined || !isWeights(name)
        ? Effect.fail(notStored(store, name, digest))
        : fetchedFromHub(store, name, digest, source)
    }),
  )

/** A file of the runner's own under that name is told: it differs. */
const notStored = ({ ownModels }: FileStore, name: string, digest: string) => {
  const other = ownModels?.some(name)
  const also =
    other === undefined ? "" : `; ${other.path} is another file of that name, with the digest ${other.digest}`
  return new JobFailed(
    `${name} (${digest}) is stored neither here nor at the gateway${also}; push the model (yohaku model push), or put its own file into the folder of --models`,
    { retryable: false, isBeyondRunner: true },
  )
}

const fetchedFromHub = ({ directory, hub, hubPatience }: FileStore, name: string, digest: string, source: HubSource) =>
  Effect.flatMap(FetchProgress, (onFetched) =>
    attempt(async (signal) => {
      const file = path.join(directory, "blobs", digest)
      const found = { ...source, path: name, digest }
      const access = hub ?? hubAccess(process.env)
      const bytes = {
        ...hubSource(access, found),
        mismatch: (other: string) => new HubServesOtherBytes(found, other),
        unreachable: (cause: unknown) => new HubAway(found, access, cause),
      }
      const onBytes = (done: number, total: number) => onFetched(`${name} from the hub`, done, total)
      await transferFile({ path: name, algorithm: "sha256", digest }, file, {
        ...{ source: bytes, signal, onBytes },
        // Where it is away for longer other jobs go on meanwhile.
        ...{ fruitlessTries: 3, ...hubPatience },
      })
      return file
    }),
  )

/** Files of the runner's own may have been changed or moved since they were linked, and any may have been damaged. */
const isIntact = Effect.fnUntraced(function* (
  store: FileStore,
  folder: string,
  entries: readonly [string, string][],
  isHeldLater: (name: string) => boolean,
) {
  for (const [name, digest] of entries) {
    const file = path.join(folder, name)
    const target = linkTarget(file)
    if (target !== undefined && (yield* ownFile(store, name, digest)) !== target) return false
    if (isHeldLater(name) || (yield* hasDigest(file, digest))) continue
    if (target !== undefined) store.ownModels?.forget(target)
    return false
  }
  return true
})

/** Where a symbolic link leads; undefined of a file. */
const linkTarget = (file: string): string | undefined => {
  try {
    return readlinkSync(file)
  } catch {
    return undefined
  }
}
