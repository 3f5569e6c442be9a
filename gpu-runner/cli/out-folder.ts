// Looks at --out before any work is done for it, so that hours of training do not end at a folder that cannot be written.
import { accessSync, constants, statSync } from "node:fs"
import path from "node:path"
import { UsageError } from "./command.ts"

/** Throws UsageError where `out` cannot become a folder: it or a part of its path is a file, or the place is not ours to write in. */
export function checkOutFolder(out: string): void {
  const place = nearestExisting(path.resolve(out))
  if (!statSync(place).isDirectory()) {
    throw new UsageError(`--out ${out} cannot be a folder, since ${place} is a file; choose another name`)
  }
  try {
    accessSync(place, constants.W_OK)
  } catch {
    throw new UsageError(`--out ${out} cannot be written: no permission in ${place}; choose another place`)
  }
}

/** As checkOutFolder, where `out` is to be a file. */
export function checkOutFile(out: string): void {
  if (statSync(out, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`--out ${out} is a folder; name a file`)
  }
  checkOutFolder(path.dirname(path.resolve(out)))
}

function nearestExisting(folder: string): string {
  const parent = path.dirname(folder)
  const isThere = statSync(folder, { throwIfNoEntry: false }) !== undefined
  return isThere || parent === folder ? folder : nearestExisting(parent)
}
