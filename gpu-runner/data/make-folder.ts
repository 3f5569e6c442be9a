// Makes folders one by one. Node's own recursive making never ends where a file system takes no folder and calls the path missing, as
// /proc does: it makes the parent, which is there, and tries again.
import { existsSync, mkdirSync, statSync } from "node:fs"
import path from "node:path"

/** Makes a folder and those above it that are missing; one that is there is left as it is. Errors: the file system's, with their `code`. */
export function makeFolder(folder: string): void {
  if (isFolder(folder)) return
  const parent = path.dirname(folder)
  if (parent !== folder && !existsSync(parent)) makeFolder(parent)
  try {
    mkdirSync(folder)
  } catch (error) {
    // Another process may have made it meanwhile.
    if (isFolder(folder)) return
    throw (error as NodeJS.ErrnoException).code === "ENOENT" ? takesNoFolder(parent, error) : error
  }
}

function isFolder(folder: string): boolean {
  return existsSync(folder) && statSync(folder).isDirectory()
}

/** The system's own words are that there is "no such file or directory", of a folder which was to be made. */
function takesNoFolder(parent: string, cause: unknown): Error {
  return Object.assign(new Error(`no folder can be made in ${parent}`, { cause }), { code: "ENOENT" })
}
