// Where packs lie on this machine: among the blobs of runners, of which a local system (`yohaku up`, `npm start`) has one in its state directory.
import { existsSync, readdirSync, statSync } from "node:fs"
import path from "node:path"
import { kindOfPackFile } from "#gpu-runner/data/rows/pack-summary.ts"

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

/** Of one directory; by default of all that are where the commands put them, below the folder of this process. */
export const blobFoldersHere = (directory: string | undefined): readonly string[] => {
  if (directory !== undefined) return blobFoldersOf(directory)
  if (!isFolder(DEFAULT_PARENT)) return []
  return readdirSync(DEFAULT_PARENT)
    .sort()
    .flatMap((name) => blobFoldersOf(path.join(DEFAULT_PARENT, name)))
}

/** Files of the manifests in one of these folders. */
export const manifestsIn = (directory: string): readonly string[] =>
  blobFoldersOf(directory).flatMap((folder) =>
    readdirSync(folder)
      .sort()
      .map((name) => path.join(folder, name))
      .filter(isManifest),
  )

const isManifest = (file: string): boolean =>
  statSync(file, { throwIfNoEntry: false })?.isFile() === true && kindOfPackFile(file) === "manifest"
