// Blobs a runner has fetched, kept on disk under their digest, and model folders assembled from them by hard links.
// A file appears under its final name only when it is complete and verified.
import { randomUUID } from "node:crypto"
import { existsSync, linkSync, renameSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import { CallRefused } from "#gpu-runner/client/call-failure.ts"
import { sha256 } from "#gpu-runner/data/files.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import type { Files } from "#shared/domain/Files.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { RunnerApi } from "./RunnerApi.ts"

/** Names of files in a model folder come from the gateway: they must be plain names, never paths. */
const isPlainName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)

/** The path of a blob on this machine, fetched first if it is not there. */
export const cachedBlob = Effect.fn("cachedBlob")(function* (directory: string, digest: string) {
  const file = path.join(directory, "blobs", digest)
  if (existsSync(file)) return file
  const api = yield* RunnerApi
  const bytes = yield* api.blob(digest)
  if (sha256(bytes) !== digest) {
    return yield* new CallRefused({
      status: 200,
      message: `blob ${digest} arrived with other content; the store is damaged`,
    })
  }
  makeFolder(path.dirname(file))
  const temporary = `${file}.${randomUUID()}`
  writeFileSync(temporary, bytes)
  renameSync(temporary, file)
  return file
})

/** The ONNX twin is for the edge; a runner computes from the safetensors. */
export const cachedModelFolder = (directory: string, base: Files) =>
  cachedFolder(directory, base, (name) => !name.endsWith(".onnx"))

/** A folder holding `files` (file name -> digest) under their names; the same files are the same folder. */
export const cachedFolder = Effect.fn("cachedFolder")(function* (
  directory: string,
  files: Files,
  wanted: (name: string) => boolean = () => true,
) {
  const entries = Object.entries(files).filter(([name]) => wanted(name))
  const folder = path.join(directory, "folders", sha256(canonicalJson(Object.fromEntries(entries))))
  if (existsSync(folder)) return folder
  const temporary = `${folder}.${randomUUID()}`
  makeFolder(temporary)
  for (const [name, digest] of entries) {
    if (!isPlainName(name))
      return yield* new CallRefused({ status: 200, message: `refusing the file name ${JSON.stringify(name)}` })
    linkSync(yield* cachedBlob(directory, digest), path.join(temporary, name))
  }
  if (existsSync(folder)) rmSync(temporary, { recursive: true })
  else renameSync(temporary, folder)
  return folder
})
