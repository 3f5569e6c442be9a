// Fetches one file so that it appears whole and checked, or not at all. What arrived is kept beside it under a name with
// the file's digest: after an interruption, of the connection or the process, a Range request asks for the rest only.
// Where the bytes come from, a hub or a gateway, is the source's affair.
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
  statfsSync,
  statSync,
  writeSync,
} from "node:fs"
import path from "node:path"
import { NotEnoughSpace } from "./errors.ts"
import { readPieces, syncFolder } from "./files.ts"
import { makeFolder } from "./make-folder.ts"

export interface WantedFile {
  readonly path: string
  readonly algorithm: "sha256" | "git-sha1"
  readonly digest: string
  /** Where it is not known, the first answer tells it; git's digest needs it. */
  readonly sizeBytes?: number | undefined
}

/** Where a file's bytes come from, and the words of its failures. */
export interface Source {
  /** Asks for the file, or the range of it that a Range header names. Rejects where there is no answer. */
  readonly ask: (range: string | undefined, signal: AbortSignal | undefined) => Promise<Response>
  /** Why asking again is of no use; undefined where it may be of some. */
  readonly refusal: (response: Response) => Error | undefined | Promise<Error | undefined>
  /** After several tries in a row that brought nothing. What arrived is kept. */
  readonly unreachable: (cause: unknown) => Error
  /** The bytes arrived, and have this digest. They are removed. */
  readonly mismatch: (found: string) => Error
}

export interface TransferOptions {
  readonly source: Source
  /** Bytes of the file that are here, whenever there are more. */
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** First wait before another try; doubles with every one that brings nothing. Default 1000. */
  readonly retryDelayMs?: number | undefined
  /** An answer that brings less than a least amount in so long counts as broken off. Default 60 000. */
  readonly stallMs?: number | undefined
  /** Tries in a row that together may bring less than that amount. Default 5. */
  readonly fruitlessTries?: number | undefined
}

const DEFAULT_FRUITLESS_TRIES = 5
const DEFAULT_STALL_MS = 60_000
/** In `stallMs`, or by tries in a row: below this gigabytes would take weeks, and other sources be left unasked. */
const LEAST_BYTES = 1024 ** 2
/** A small file comes in so many such amounts. */
const AMOUNTS_OF_SMALL = 16

/** Fetches `file` to `target`. Errors: the source's, and NotEnoughSpace. */
export async function transferFile(file: WantedFile, target: string, options: TransferOptions): Promise<void> {
  const folder = path.dirname(target)
  makeFolder(folder)
  const partial = partialName(file, target)
  removePartials(target, partial)
  const arrived = openPartial(partial, file)
  const { source, retryDelayMs = 1000, fruitlessTries = DEFAULT_FRUITLESS_TRIES, signal } = options
  try {
    let fruitless = 0
    let reached = arrived.bytes
    while (!isWhole(arrived, file)) {
      const failure = await fetchRest(folder, arrived, options)
      if (failure === undefined) continue
      const isFruitful = arrived.bytes - reached >= leastBytes(arrived)
      fruitless = isFruitful ? 1 : fruitless + 1
      if (isFruitful) reached = arrived.bytes
      if (fruitless >= fruitlessTries) throw source.unreachable(failure)
      await sleep(retryDelayMs * 2 ** (fruitless - 1), signal)
    }
    fsyncSync(arrived.descriptor)
  } catch (error) {
    // Of an unknown digest or a refused key nothing came, and nothing is to be gone on with.
    if (arrived.bytes === 0) rmSync(partial, { force: true })
    throw isFullDisk(error) ? notEnoughSpace(folder, 1) : error
  } finally {
    closeSync(arrived.descriptor)
  }
  const found = arrived.hash.digest("hex")
  if (found !== file.digest) {
    rmSync(partial)
    throw source.mismatch(found)
  }
  renameSync(partial, target)
  syncFolder(folder)
}

/** Of an unknown size, bytes that have the digest are the file: a process may have been killed after the last of them. */
function isWhole(arrived: Arrived, { digest }: WantedFile): boolean {
  if (arrived.total !== undefined) return arrived.bytes >= arrived.total
  return arrived.bytes > 0 && arrived.hash.copy().digest("hex") === digest
}

/** The digest of a whole file on disk, by the file's own algorithm. */
export function digestOfFile(
  file: string,
  { algorithm, sizeBytes }: Pick<WantedFile, "algorithm" | "sizeBytes">,
): string {
  const hash = startHash(algorithm, sizeBytes)
  for (const piece of readPieces(file)) hash.update(piece)
  return hash.digest("hex")
}

/** git hashes a header with the size before a blob's bytes. */
function startHash(algorithm: WantedFile["algorithm"], sizeBytes: number | undefined): Hash {
  return algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${sizeBytes}\0`)
}

function partialName(file: WantedFile, target: string): string {
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
  /** Of the whole file, once it is known. */
  total: number | undefined
  bytes: number
  hash: Hash
  readonly startAgain: () => void
}

function openPartial(partial: string, file: WantedFile): Arrived {
  const hash = startHash(file.algorithm, file.sizeBytes)
  let bytes = 0
  if (existsSync(partial) && statSync(partial).size <= (file.sizeBytes ?? Number.POSITIVE_INFINITY)) {
    for (const piece of readPieces(partial)) {
      hash.update(piece)
      bytes += piece.length
    }
  }
  const descriptor = openSync(partial, bytes > 0 ? "r+" : "w")
  const arrived: Arrived = {
    descriptor,
    total: file.sizeBytes,
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

const leastBytes = ({ total = Number.POSITIVE_INFINITY }: Arrived): number =>
  Math.min(LEAST_BYTES, Math.ceil(total / AMOUNTS_OF_SMALL))

/** Aborts where less than the least amount has come since the last one had. */
function watchRate(arrived: Arrived, stallMs: number) {
  const stalled = new AbortController()
  let from = arrived.bytes
  const giveUp = () => {
    const bytes = Math.max(0, arrived.bytes - from)
    const what = bytes === 0 ? "nothing came" : `only ${bytes} bytes came`
    stalled.abort(new Error(`${what} ${bytes === 0 ? "for" : "in"} ${stallMs / 1000} s`))
  }
  const clock = setTimeout(giveUp, stallMs)
  return {
    signal: stalled.signal,
    startAgain: () => {
      from = 0
    },
    onBytes: () => {
      if (arrived.bytes - from < leastBytes(arrived)) return
      from = arrived.bytes
      clock.refresh()
    },
    stop: () => clearTimeout(clock),
  }
}

/** One request for what is missing; returns why it broke off, where that may pass. Errors: the source's, NotEnoughSpace, the signal's. */
async function fetchRest(
  folder: string,
  arrived: Arrived,
  { source, signal, onBytes, stallMs = DEFAULT_STALL_MS }: TransferOptions,
): Promise<unknown> {
  const rate = watchRate(arrived, stallMs)
  try {
    const range = arrived.bytes > 0 ? `bytes=${arrived.bytes}-` : undefined
    const response = await source.ask(range, signal ? AbortSignal.any([signal, rate.signal]) : rate.signal)
    const refusal = await source.refusal(response)
    if (refusal !== undefined) throw refusal
    if (!isTheRest(response, arrived.bytes)) {
      await response.body?.cancel()
      const isRangeFault = response.status === 416 || response.status === 206
      if (isRangeFault) arrived.startAgain()
      return new Error(`it answers ${response.status}`)
    }
    if (response.status === 200) {
      arrived.startAgain()
      rate.startAgain()
    }
    arrived.total ??= totalOf(response)
    if (arrived.total !== undefined) requireSpace(folder, arrived.total - arrived.bytes)
    await keepBody(response, arrived, (bytes, total) => {
      rate.onBytes()
      onBytes?.(bytes, total)
    })
    // An answer that tells no size is over when it ends.
    arrived.total ??= arrived.bytes
    return arrived.bytes < arrived.total
      ? new Error(`it ended after ${arrived.bytes} of ${arrived.total} bytes`)
      : undefined
  } catch (error) {
    if (signal?.aborted || (error as { _tag?: unknown })._tag !== undefined || isDiskError(error)) throw error
    return error
  } finally {
    rate.stop()
  }
}

/** The size of the whole file that an answer tells. */
function totalOf(response: Response): number | undefined {
  const told = response.headers.get("content-range")?.split("/")[1] ?? response.headers.get("content-length")
  return told !== undefined && told !== null && /^\d+$/.test(told) ? Number(told) : undefined
}

function requireSpace(folder: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize < neededBytes) throw notEnoughSpace(folder, neededBytes)
}

function notEnoughSpace(folder: string, neededBytes: number): NotEnoughSpace {
  const { bavail, bsize } = statfsSync(folder)
  return new NotEnoughSpace(folder, neededBytes, bavail * bsize)
}

function isFullDisk(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(String((error as NodeJS.ErrnoException | null)?.code))
}

/** A whole body (the server knows no ranges), or exactly the range that was asked for. */
function isTheRest(response: Response, from: number): boolean {
  if (response.status === 200) return true
  return response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${from}-`) === true
}

async function keepBody(response: Response, arrived: Arrived, onBytes: TransferOptions["onBytes"]) {
  const total = arrived.total ?? Number.POSITIVE_INFINITY
  for await (const chunk of response.body ?? []) {
    if (arrived.bytes + chunk.length > total) {
      arrived.startAgain()
      throw new Error(`more than the listed ${total} bytes arrived`)
    }
    for (let offset = 0; offset < chunk.length; ) {
      offset += writeSync(arrived.descriptor, chunk, offset, chunk.length - offset, arrived.bytes + offset)
    }
    arrived.hash.update(chunk)
    arrived.bytes += chunk.length
    onBytes?.(arrived.bytes, total)
  }
}

/** Errors of this machine's disk do not pass by asking again. */
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
