// Models that were pulled: where they are, what they are, and which folder a name stands for. Uses no network.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import path from "node:path"
import { writeFileAtomically } from "../files.ts"
import { ModelNotPulled } from "./errors.ts"
import { type HubFile, isRepositoryName } from "./hub-client.ts"

/** What a pull left in its folder: enough to know without the network whether the folder is what it claims to be. */
export interface PullRecord {
  readonly repository: string
  readonly endpoint: string
  /** As asked for: a branch, tag or commit. */
  readonly revision: string
  readonly commit: string
  readonly include: readonly string[]
  /** False while a pull is under way: files of two commits may stand side by side. */
  readonly isComplete: boolean
  readonly files: Readonly<Record<string, Omit<HubFile, "path"> & { readonly modifiedMs: number }>>
}

const RECORD = ".yohaku-pull.json"

/** The folder of all pulled models: $XDG_CACHE_HOME/yohaku/models, by default ~/.cache/yohaku/models. */
function modelCache(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return path.join(environment.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "yohaku", "models")
}

/** Where a repository is pulled to by default. */
export function cachedFolder(repository: string, cache = modelCache()): string {
  return path.join(cache, repository.replace("/", "--"))
}

/** The record of a pull in a folder, if one is there and can be read. */
export function readPullRecord(directory: string): PullRecord | undefined {
  const file = path.join(directory, RECORD)
  if (!existsSync(file)) return undefined
  try {
    const record = JSON.parse(readFileSync(file, "utf8")) as PullRecord
    const isWhole = typeof record.repository === "string" && typeof record.commit === "string" && record.files
    return isWhole ? record : undefined
  } catch {
    return undefined
  }
}

export function writePullRecord(directory: string, record: PullRecord): void {
  writeFileAtomically(path.join(directory, RECORD), `${JSON.stringify(record, null, 2)}\n`)
}

/** The folder that a path or an owner/name stands for: a folder on disk first, else what was pulled. Errors: ModelNotPulled. */
export function modelDirectory(given: string, cache = modelCache()): string {
  if (existsSync(given) || !isRepositoryName(given)) return given
  const directory = cachedFolder(given, cache)
  const record = readPullRecord(directory)
  if (record?.isComplete) return directory
  throw new ModelNotPulled(given, record !== undefined)
}

export interface PulledModel {
  readonly repository: string
  readonly revision: string
  readonly commit: string
  readonly directory: string
  readonly sizeBytes: number
  readonly isComplete: boolean
}

/** All models of the cache, by name. */
export function pulledModels(cache = modelCache()): PulledModel[] {
  if (!existsSync(cache)) return []
  return readdirSync(cache)
    .sort()
    .flatMap((name) => {
      const directory = path.join(cache, name)
      const record = readPullRecord(directory)
      if (!record) return []
      const { repository, revision, commit, isComplete, files } = record
      const sizeBytes = Object.values(files).reduce((sum, file) => sum + file.sizeBytes, 0)
      return [{ repository, revision, commit, directory, sizeBytes, isComplete }]
    })
}
