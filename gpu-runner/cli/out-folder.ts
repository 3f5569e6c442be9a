// Looks at --out before any work is done for it, so that hours of training do not end at a folder that cannot be written.
import { mkdtempSync, rmdirSync, statSync } from "node:fs"
import path from "node:path"
import { UsageError } from "./command.ts"

/** Throws UsageError where `out` cannot become a folder: it or a part of its path is a file, or nothing can be made in the place. */
export function checkOutFolder(out: string): void {
  const place = nearestExisting(path.resolve(out))
  if (!statSync(place).isDirectory()) {
    throw new UsageError(`--out ${out} cannot be a folder, since ${place} is a file; choose another name`)
  }
  const fault = whyNothingCanBeMade(place)
  if (fault !== undefined) throw new UsageError(`--out ${out} cannot be written: ${fault}; choose another place`)
}

/** Found out by making something: the rights of a place say nothing of a file system that takes no files, as /proc. */
function whyNothingCanBeMade(place: string): string | undefined {
  try {
    rmdirSync(mkdtempSync(path.join(place, ".yohaku-")))
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "EACCES" || code === "EPERM") return `no permission in ${place}`
    return code === "ENOSPC" || code === "EDQUOT" ? `the disk of ${place} is full` : `${place} takes no files (${code})`
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
