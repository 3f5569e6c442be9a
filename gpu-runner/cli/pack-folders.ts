// Where packs lie on this machine: among the blobs of runners, of which a local system (`yohaku up`, `npm start`) has one in its state directory.
import { existsSync, readdirSync, statSync } from "node:fs"
import path from "node:path"
import { readWholeFile } from "#gpu-runner/data/files.ts"
import { kindOfPackFile } from "#gpu-runner/data/rows/pack-summary.ts"
import { decodeManifest, MOST_MANIFEST_BYTES, type PackManifest } from "#shared/wire/pack-manifest.ts"
import { InvalidPack } from "#shared/wire/pack-shard.ts"

const DEFAULT_PARENT = ".yohaku"

const isFolder = (place: string): boolean => existsSync(place) && statSync(place).isDirectory()

/** A folder itself, and the blobs of a runner whose directory, or of a system whose state directory it is. */
const blobFoldersOf = (directory: string): readonly string[] =>
  [".", "blobs", "runner/blobs"].map((inside) => path.resolve(directory, inside)).filter(isFolder)

/** A runner's directory, also of the runner of a state directory. */
export const runnerDirectoryOf = (directory: string): string => {
  const inside = path.resolve(directory, "runner")
  return isFolder(path.join(inside, "blobs")) ? inside : path.resolve(directory)
}

/** Of a directory, and of those in it, each once; by default where the commands put theirs, below the folder of this process. */
export const blobFoldersIn = (directory = DEFAULT_PARENT): readonly string[] => {
  if (!isFolder(directory)) return []
  const inside = readdirSync(directory).sort()
  const places = [directory, ...inside.map((name) => path.join(directory, name)).filter(isFolder)]
  return [...new Set(places.flatMap(blobFoldersOf))]
}

/** A pack in a folder, and what its manifest says; a manifest that cannot be read says nothing. */
export interface PackHere {
  readonly file: string
  readonly manifest: PackManifest | undefined
}

/**
 * The packs in a folder, in those in it, and among the blobs of the runners and systems that either are. Of a run whose pack is here, what its
 * runners were given to score is none of its own: the same pairs, of the same snapshot, without log-probs.
 */
export const packsIn = (directory: string): readonly PackHere[] => {
  const packs = blobFoldersIn(directory).flatMap(manifestsIn).map(packOf)
  const scored = new Set(packs.flatMap(({ manifest }) => (manifest?.reference ? [manifest.snapshot] : [])))
  return packs.filter(({ manifest }) => manifest?.reference !== "" || !scored.has(manifest.snapshot))
}

const packOf = (file: string): PackHere => {
  const { size } = statSync(file)
  try {
    return { file, manifest: size > MOST_MANIFEST_BYTES ? undefined : decodeManifest(readWholeFile(file)) }
  } catch (error) {
    if (error instanceof InvalidPack) return { file, manifest: undefined }
    throw error
  }
}

const manifestsIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .sort()
    .map((name) => path.join(folder, name))
    .filter(isManifest)

const isManifest = (file: string): boolean =>
  statSync(file, { throwIfNoEntry: false })?.isFile() === true && kindOfPackFile(file) === "manifest"
