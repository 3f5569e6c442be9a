// Fetches one file so that it appears whole and checked, or not at all. What arrived is kept beside it under a name with
// the file's digest: after an interruption, of the connection or the process, a Range request asks for the rest only.
//
// @huggingface/hub 2.17 lists and describes files, but its downloads cannot serve here: snapshotDownload starts every
// interrupted file again and checks no digest; a Blob of downloadFile, sliced, sends a Range but takes a whole body (200)
// for the rest, and has neither retries nor a signal.
import { createHash, type Hash } from "node:crypto"
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import path from "node:path"
import { readPieces, syncFolder } from "../files.ts"
import { makeFolder } from "../make-folder.ts"
import { ChecksumMismatch, HubUnreachable } from "./errors.ts"
import { fileUrl, type HubAccess, type HubFile, refusal } from "./hub-client.ts"

export interface TransferOptions {
  readonly access: HubAccess
  readonly repository: string
  readonly commit: string
  /** Bytes of the file that are here, whenever there are more. */
  readonly onBytes?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** First wait before another try; doubles with every one that brings nothing. Default 1000. */
  readonly retryDelayMs?: number | undefined
}

/** Tries in a row that may bring no new byte. */
const MAX_FRUITLESS_TRIES = 5

/** Fetches `file` to `target`. Errors: HubRefused, HubUnreachable (what arrived is kept), ChecksumMismatch (it is removed). */
export async function transferFile(file: HubFile, target: string, options: TransferOptions): Promise<void> {
  makeFolder(path.dirname(target))
  const partial = partialName(file, target)
  removePartials(target, partial)
  const arrived = openPartial(partial, file)
  try {
    let fruitless = 0
    while (arrived.bytes < file.sizeBytes) {
      const before = arrived.bytes
      const failure = await fetchRest(file, arrived, options)
      if (failure === undefined) continue
      fruitless = arrived.bytes > before ? 1 : fruitless + 1
      if (fruitless >= MAX_FRUITLESS_TRIES) throw new HubUnreachable(`${file.path} cannot be fetched`, failure)
      await sleep((options.retryDelayMs ?? 1000) * 2 ** (fruitless - 1), options.signal)
    }
    fsyncSync(arrived.descriptor)
  } finally {
    closeSync(arrived.descriptor)
  }
  const found = arrived.hash.digest("hex")
  if (found !== file.digest) {
    rmSync(partial)
    throw new ChecksumMismatch(file.path, file.digest, found)
  }
  renameSync(partial, target)
  syncFolder(path.dirname(target))
}

/** The digest of a whole file on disk, by the file's own algorithm. */
export function digestOfFile(file: string, { algorithm, sizeBytes }: Pick<HubFile, "algorithm" | "sizeBytes">): string {
  const hash = startHash(algorithm, sizeBytes)
  for (const piece of readPieces(file)) hash.update(piece)
  return hash.digest("hex")
}

/** git hashes a header with the size before a blob's bytes. */
function startHash(algorithm: HubFile["algorithm"], sizeBytes: number): Hash {
  return algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${sizeBytes}\0`)
}

function partialName(file: HubFile, target: string): string {
  return `${target}.${file.digest.slice(0, 16)}.partial`
}

/** Removes what arrived of other contents of the same file. */
function removePartials(target: string, keep: string): void {
  const [folder, name] = [path.dirname(target), path.basename(target)]
  for (const entry of readdirSync(folder)) {
    const isOfTarget = entry.startsWith(`${name}.`) && /\.[0-9a-f]{16}\.partial$/.test(entry)
    if (isOfTarget && entry !== path.basename(keep)) rmSync(path.join(folder, entry))
  }
}

/** What arrived so far: bytes on disk and their running digest. */
interface Arrived {
  readonly descriptor: number
  bytes: number
  hash: Hash
  readonly startAgain: () => void
}

function openPartial(partial: string, file: HubFile): Arrived {
  const hash = startHash(file.algorithm, file.sizeBytes)
  let bytes = 0
  if (existsSync(partial) && statSync(partial).size <= file.sizeBytes) {
    for (const piece of readPieces(partial)) {
      hash.update(piece)
      bytes += piece.length
    }
  }
  const descriptor = openSync(partial, bytes > 0 ? "r+" : "w")
  const arrived: Arrived = {
    descriptor,
    bytes,
    hash,
    startAgain: () => {
      ftruncateSync(descriptor, 0)
      arrived.bytes = 0
      arrived.hash = startHash(file.algorithm, file.sizeBytes)
    },
  }
  return arrived
}

/** One request for what is missing; returns why it broke off, where that may pass. Errors: HubRefused, and the signal's. */
async function fetchRest(file: HubFile, arrived: Arrived, options: TransferOptions): Promise<unknown> {
  const { access, repository, commit, signal, onBytes } = options
  try {
    const response = await (access.fetch ?? fetch)(fileUrl(access, repository, commit, file.path), {
      headers: {
        // A digest is of the stored bytes, so no coding on the way; the token is not sent on when a redirect leaves the hub.
        "accept-encoding": "identity",
        ...(access.token ? { authorization: `Bearer ${access.token}` } : {}),
        ...(arrived.bytes > 0 ? { range: `bytes=${arrived.bytes}-` } : {}),
      },
      ...(signal ? { signal } : {}),
    })
    if ([401, 403, 404].includes(response.status)) {
      // Metadata of gated models is open; only their files are not, and without a token that is a 401.
      const isGated = response.headers.get("x-error-code") === "GatedRepo"
      throw refusal(access, repository, commit, isGated ? 403 : response.status)
    }
    if (!isTheRest(response, arrived.bytes)) {
      await response.body?.cancel()
      const isRangeFault = response.status === 416 || response.status === 206
      if (isRangeFault) arrived.startAgain()
      return new Error(`the hub answers ${response.status}`)
    }
    if (response.status === 200) arrived.startAgain()
    await keepBody(response, file, arrived, onBytes)
    return arrived.bytes < file.sizeBytes
      ? new Error(`it ended after ${arrived.bytes} of ${file.sizeBytes} bytes`)
      : undefined
  } catch (error) {
    if (signal?.aborted || (error as { _tag?: unknown })._tag !== undefined || isDiskError(error)) throw error
    return error
  }
}

/** A whole body (the server knows no ranges), or exactly the range that was asked for. */
function isTheRest(response: Response, from: number): boolean {
  if (response.status === 200) return true
  return response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${from}-`) === true
}

async function keepBody(response: Response, file: HubFile, arrived: Arrived, onBytes?: (bytes: number) => void) {
  for await (const chunk of response.body ?? []) {
    if (arrived.bytes + chunk.length > file.sizeBytes) {
      arrived.startAgain()
      throw new Error(`more than the listed ${file.sizeBytes} bytes arrived`)
    }
    for (let offset = 0; offset < chunk.length; ) {
      offset += writeSync(arrived.descriptor, chunk, offset, chunk.length - offset, arrived.bytes + offset)
    }
    arrived.hash.update(chunk)
    arrived.bytes += chunk.length
    onBytes?.(arrived.bytes)
  }
}

/** Errors of this machine's disk do not pass by asking the hub again. */
function isDiskError(error: unknown): boolean {
  return ["ENOSPC", "EIO", "EROFS", "EDQUOT"].includes(String((error as NodeJS.ErrnoException | null)?.code))
}

function sleep(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort)
      resolve()
    }, durationMs)
    signal?.addEventListener("abort", onAbort, { once: true })
  })
}
