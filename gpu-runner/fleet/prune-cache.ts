// Keeps what a runner has fetched below a number of bytes: between two jobs, what was used longest ago goes first. A folder's files are links
// to blobs, so that a blob is gone only with the folders that hold it; what arrived of a blob in part counts as one.
import { existsSync, lstatSync, readdirSync, rmSync } from "node:fs"
import path from "node:path"

interface Kept {
  readonly file: string
  readonly bytes: number
  readonly usedMs: number
  readonly inode: number
}

const filesIn = (folder: string): Kept[] =>
  (existsSync(folder) ? readdirSync(folder) : []).flatMap((name) => {
    const file = path.join(folder, name)
    const found = lstatSync(file, { throwIfNoEntry: false })
    return found?.isFile() ? [{ file, bytes: found.size, usedMs: found.mtimeMs, inode: found.ino }] : []
  })

const foldersIn = (folder: string): { readonly folder: string; readonly files: readonly Kept[] }[] =>
  (existsSync(folder) ? readdirSync(folder) : []).map((name) => ({
    folder: path.join(folder, name),
    files: filesIn(path.join(folder, name)),
  }))

/** Removes the blobs used longest ago until at most so many bytes are left. Resolves to how many bytes it removed. */
export const pruneCache = (directory: string, mostBytes: number): number => {
  const folders = foldersIn(path.join(directory, "folders"))
  const known = new Map<number, Kept>()
  for (const kept of [...folders.flatMap(({ files }) => files), ...filesIn(path.join(directory, "blobs"))])
    known.set(kept.inode, kept)
  const oldestFirst = [...known.values()].toSorted((left, right) => left.usedMs - right.usedMs)
  const before = oldestFirst.reduce((sum, { bytes }) => sum + bytes, 0)
  let left = before
  const gone = new Set<number>()
  for (const { inode, bytes, file } of oldestFirst) {
    if (left <= mostBytes) break
    rmSync(file, { force: true })
    gone.add(inode)
    left -= bytes
  }
  for (const { folder, files } of folders)
    if (files.some(({ inode }) => gone.has(inode))) rmSync(folder, { recursive: true, force: true })
  return before - left
}
