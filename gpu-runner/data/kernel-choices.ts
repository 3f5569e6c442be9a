// Kernel choices that were measured on an adapter (`yohaku tune`), kept in the user's cache folder: one file for each adapter, driver
// and version of this package and of its GPU library.
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import path from "node:path"
import { writeFileAtomically } from "./files.ts"
import { makeFolder } from "./make-folder.ts"
import { runtimeVersions } from "./versions.ts"

type Choices = Readonly<Record<string, string>>

/** The folder of all choices: $XDG_CACHE_HOME/yohaku/kernels, by default ~/.cache/yohaku/kernels. */
function choicesFolder(): string {
  return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "yohaku", "kernels")
}

/** The file of an adapter, by DeviceInfo.adapterKey. */
export function choicesFile(adapterKey: string, folder = choicesFolder()): string {
  const { yohaku, webgpu } = runtimeVersions()
  const digest = createHash("sha256").update([adapterKey, yohaku, webgpu].join("|")).digest("hex")
  return path.join(folder, `${digest.slice(0, 16)}.json`)
}

/** The choices of an adapter; undefined where none were kept, or they cannot be read. */
export function readKernelChoices(adapterKey: string, folder = choicesFolder()): Choices | undefined {
  try {
    const { choices } = JSON.parse(readFileSync(choicesFile(adapterKey, folder), "utf8")) as { choices: Choices }
    return choices
  } catch {
    return undefined
  }
}

/** Keeps the choices of an adapter in place of earlier ones; returns their file. */
export function writeKernelChoices(adapterKey: string, choices: Choices, folder = choicesFolder()): string {
  const file = choicesFile(adapterKey, folder)
  makeFolder(folder)
  writeFileAtomically(file, `${JSON.stringify({ adapter: adapterKey, choices }, null, 2)}\n`)
  return file
}
