// Fetches a model's files from a hub into a folder: only what a model folder needs, only what is not there yet, checked
// by the hub's digests. A second pull of the same commit asks the hub one question and fetches nothing.
import { existsSync, readFileSync, rmSync, statfsSync, statSync } from "node:fs"
import path from "node:path"
import { shardNames } from "#shared/formats/weights/safetensors-index.ts"
import { NotEnoughSpace } from "../errors.ts"
import { makeFolder } from "../make-folder.ts"
import { digestOfFile, transferFile } from "../transfer.ts"
import { chooseFiles, chooseShards } from "./choose-files.ts"
import { commitOf, filesOf, type HubAccess, type HubFile } from "./hub-client.ts"
import { hubSource } from "./hub-source.ts"
import { cachedFolder, type PullRecord, readPullRecord, writePullRecord } from "./model-cache.ts"

export interface Pull {
  readonly access: HubAccess
  readonly repository: string
  /** Branch, tag or commit; "main" by default. */
  readonly revision?: string | undefined
  /** The cache's folder by default. */
  readonly out?: string | undefined
  /** Globs of further files. */
  readonly include?: readonly string[] | undefined
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
  readonly retryDelayMs?: number | undefined
}

export interface PullProgress {
  readonly file: string
  readonly doneBytes: number
  /** Of what this pull fetches; grows once the index has named the shards. */
  readonly totalBytes: number
}

export interface Pulled {
  readonly directory: string
  readonly commit: string
  /** Every file of the model, by path. */
  readonly files: readonly string[]
  readonly fetched: readonly string[]
  readonly fetchedBytes: number
}

/** Errors: HubRefused, HubUnreachable, ChecksumMismatch, UnusableRepository, NotEnoughSpace. */
export async function pullModel(pull: Pull): Promise<Pulled> {
  const { access, repository, revision = "main", include = [] } = pull
  const directory = path.resolve(pull.out ?? cachedFolder(repository))
  const commit = await commitOf(access, repository, revision)
  const record = readPullRecord(directory)
  if (record && isUpToDate(record, { directory, repository, commit, include })) {
    return { directory, commit, files: Object.keys(record.files), fetched: [], fetchedBytes: 0 }
  }
  const listed = await filesOf(access, repository, commit)
  const { companions, weights } = chooseFiles(repository, listed, include)
  makeFolder(directory)
  const folder = new PulledFolder(directory, pull, commit, record)
  await folder.fetch(companions)
  const weightFiles =
    weights.kind === "single"
      ? [weights.file]
      : chooseShards(repository, listed, shardNames(readFileSync(path.join(directory, weights.index.path), "utf8")))
  await folder.fetch(weightFiles)
  return folder.finish()
}

function isUpToDate(
  record: PullRecord,
  {
    directory,
    repository,
    commit,
    include,
  }: Pick<PullRecord, "repository" | "commit" | "include"> & { directory: string },
): boolean {
  return (
    record.isComplete &&
    record.repository === repository &&
    record.commit === commit &&
    record.include.join("\n") === include.join("\n") &&
    Object.entries(record.files).every(([name, file]) => isUntouched(path.join(directory, name), file))
  )
}

function isUntouched(file: string, recorded: PullRecord["files"][string]): boolean {
  if (!existsSync(file)) return false
  const { size, mtimeMs } = statSync(file)
  return size === recorded.sizeBytes && mtimeMs === recorded.modifiedMs
}

/** The folder while it is brought up to date; its record says so until `finish`. */
class PulledFolder {
  readonly #directory: string
  readonly #pull: Pull
  readonly #commit: string
  readonly #older: PullRecord | undefined
  readonly #files: Record<string, PullRecord["files"][string]> = {}
  readonly #fetched: string[] = []
  #doneBytes = 0
  #totalBytes = 0

  constructor(directory: string, pull: Pull, commit: string, older: PullRecord | undefined) {
    this.#directory = directory
    this.#pull = pull
    this.#commit = commit
    this.#older = older
  }

  /** Fetches those of the files that are not there yet. */
  async fetch(files: readonly HubFile[]): Promise<void> {
    const missing = files.filter((file) => !this.#isHere(file))
    const missingBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    this.#totalBytes += missingBytes
    if (missing.length > 0) this.#checkSpace(missingBytes)
    for (const file of missing) {
      this.#writeRecord(false)
      const { access, repository, onProgress, signal, retryDelayMs } = this.#pull
      const { path: name, sizeBytes } = file
      const show = (bytes: number) =>
        onProgress?.({ file: name, doneBytes: this.#doneBytes + bytes, totalBytes: this.#totalBytes })
      await transferFile(file, path.join(this.#directory, name), {
        source: hubSource(access, { repository, commit: this.#commit, path: name, digest: file.digest }),
        onBytes: show,
        signal,
        retryDelayMs,
      })
      this.#doneBytes += sizeBytes
      this.#fetched.push(name)
      this.#note(file)
    }
  }

  /** Removes what an older commit had and this one does not, then says that the folder is whole. */
  finish(): Pulled {
    for (const name of Object.keys(this.#older?.files ?? {})) {
      if (!Object.hasOwn(this.#files, name)) rmSync(path.join(this.#directory, name), { force: true })
    }
    this.#writeRecord(true)
    return {
      directory: this.#directory,
      commit: this.#commit,
      files: Object.keys(this.#files),
      fetched: this.#fetched,
      fetchedBytes: this.#doneBytes,
    }
  }

  /** By the record where size and time are as it left them, else by the bytes themselves. */
  #isHere(file: HubFile): boolean {
    const target = path.join(this.#directory, file.path)
    if (!existsSync(target) || statSync(target).size !== file.sizeBytes) return false
    const older = this.#older?.files ?? {}
    const recorded = Object.hasOwn(older, file.path) ? older[file.path] : undefined
    const isRecorded = recorded?.digest === file.digest && isUntouched(target, recorded)
    if (!isRecorded && digestOfFile(target, file) !== file.digest) return false
    this.#note(file)
    return true
  }

  #note({ path: name, ...file }: HubFile): void {
    this.#files[name] = { ...file, modifiedMs: statSync(path.join(this.#directory, name)).mtimeMs }
  }

  #checkSpace(neededBytes: number): void {
    const { bavail, bsize } = statfsSync(this.#directory)
    if (bavail * bsize < neededBytes) throw new NotEnoughSpace(this.#directory, neededBytes, bavail * bsize)
  }

  #writeRecord(isComplete: boolean): void {
    const { access, repository, revision = "main", include = [] } = this.#pull
    // While the pull goes on, files of the older commit are still listed, so that a later one can remove them.
    const files = isComplete ? this.#files : { ...this.#older?.files, ...this.#files }
    writePullRecord(this.#directory, {
      repository,
      endpoint: access.endpoint,
      revision,
      commit: this.#commit,
      include,
      isComplete,
      files,
    })
  }
}
