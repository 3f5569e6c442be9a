// Where the recipe's scripts write, with the digest of what was written on stdout.
import { createHash } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"

const REPOSITORY_ROOT = join(import.meta.dirname, "../../..")

/** Absolute path of a path inside the repository. */
export function repositoryPath(path: string): string {
  return join(REPOSITORY_ROOT, path)
}

/** JSON Lines text of values. */
export function linesOf(values: Iterable<unknown>): string {
  let text = ""
  for (const value of values) text += `${JSON.stringify(value)}\n`
  return text
}

/** JSON text of a committed file: two spaces, newline at the end. */
export function documentOf(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex")
}

/** Writes a file below the repository's root and prints its size and sha256. */
export async function writeOutput(path: string, content: string | Uint8Array): Promise<void> {
  const absolute = repositoryPath(path)
  makeFolder(dirname(absolute))
  await writeFile(absolute, content)
  const sizeBytes = typeof content === "string" ? Buffer.byteLength(content) : content.byteLength
  process.stdout.write(`${path}: ${sizeBytes} bytes, sha256 ${sha256(content)}\n`)
}
