// Files as this runner reads and writes them: whole, and atomically. A reader never sees half a file, also after a power cut.
import { createHash, type Hash } from "node:crypto"
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import path from "node:path"
import { makeFolder } from "./make-folder.ts"

// Single reads, writes and digests beyond 2 GiB fail in Node.
const PIECE_BYTES = 2 ** 30

/** All bytes of a file of any size. */
export function readWholeFile(file: string): Uint8Array<ArrayBuffer> {
  const descriptor = openSync(file, "r")
  try {
    const bytes = new Uint8Array(fstatSync(descriptor).size)
    let offset = 0
    while (offset < bytes.length) {
      const read = readSync(descriptor, bytes, offset, Math.min(PIECE_BYTES, bytes.length - offset), offset)
      if (read === 0) throw new Error(`${file} became shorter while it was read`)
      offset += read
    }
    return bytes
  } finally {
    closeSync(descriptor)
  }
}

/** A file that is not held, and the SHA-256 of its bytes. */
export interface DigestedFile {
  readonly bytes: number
  /** 64 lower-case hex digits. */
  readonly digest: string
  /** Bytes `start` to `end` as they were digested. Throws where the file is another by now. */
  readonly read: (start: number, end: number) => Uint8Array<ArrayBuffer>
}

/** Digests a file of any size: one piece while the next is read. */
export async function digestFile(
  file: string,
  onRead: (bytes: number, total: number) => void = () => undefined,
  pieceBytes = 2 ** 24,
): Promise<DigestedFile> {
  const handle = await open(file, "r")
  try {
    const seen = await handle.stat()
    const bytes = seen.size
    const hash = createHash("sha256")
    const pieces = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)] as const
    const readPiece = (start: number) => {
      const piece = pieces[(start / pieceBytes) % 2]!
      return readRange(handle, file, piece.subarray(0, Math.max(0, Math.min(pieceBytes, bytes - start))), start)
    }
    let next = readPiece(0)
    for (let start = 0; start < bytes; start += pieceBytes) {
      const piece = await next
      next = readPiece(start + pieceBytes)
      hash.update(piece)
      onRead(start + piece.length, bytes)
    }
    await next
    return { bytes, digest: hash.digest("hex"), read: (start, end) => readAsSeen(file, seen, start, end) }
  } finally {
    await handle.close()
  }
}

async function readRange(handle: FileHandle, file: string, into: Uint8Array, start: number): Promise<Uint8Array> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, start + done)
    if (bytesRead === 0) throw new Error(`${file} became shorter while it was read`)
    done += bytesRead
  }
  return into
}

/** Bytes of a file that is still what it was: where it was written to since, its digest is not theirs. */
function readAsSeen(file: string, seen: Stats, start: number, end: number): Uint8Array<ArrayBuffer> {
  const descriptor = openSync(file, "r")
  try {
    const { dev, ino, size, mtimeMs } = fstatSync(descriptor)
    if (dev !== seen.dev || ino !== seen.ino || size !== seen.size || mtimeMs !== seen.mtimeMs) {
      throw new Error(`${file} was changed while it was in use; start again, and leave the folder alone meanwhile`)
    }
    const bytes = new Uint8Array(end - start)
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(descriptor, bytes, done, Math.min(PIECE_BYTES, bytes.length - done), start + done)
      if (read === 0) throw new Error(`${file} became shorter while it was read`)
      done += read
    }
    return bytes
  } finally {
    closeSync(descriptor)
  }
}

/** A file's bytes piece by piece; each is overwritten by the next. */
export function* readPieces(file: string, pieceBytes = 2 ** 22): Generator<Uint8Array> {
  const descriptor = openSync(file, "r")
  try {
    const piece = new Uint8Array(pieceBytes)
    for (;;) {
      const read = readSync(descriptor, piece, 0, pieceBytes, null)
      if (read === 0) return
      yield piece.subarray(0, read)
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Writes a file so that it appears whole or not at all: temporary name, fsync, rename, fsync of the folder. */
export function writeFileAtomically(file: string, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
  makeFolder(path.dirname(file))
  const temporary = `${file}.${process.pid}.temporary`
  const descriptor = openSync(temporary, "w")
  try {
    for (let offset = 0; offset < bytes.length; ) {
      offset += writeSync(descriptor, bytes, offset, Math.min(PIECE_BYTES, bytes.length - offset))
    }
    fsyncSync(descriptor)
  } catch (error) {
    // A full disk needs the room.
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, file)
  syncFolder(path.dirname(file))
}

/** Makes renames and removals in a folder durable. Windows cannot open folders and needs no such call. */
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return
  const descriptor = openSync(folder, "r")
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Whether two paths name one folder that exists. */
export function isSameFolder(one: string, other: string): boolean {
  return existsSync(one) && existsSync(other) && realpathSync(one) === realpathSync(other)
}

/** SHA-256 of bytes of any length, 64 lower-case hex digits. */
export function sha256(...parts: readonly (Uint8Array | string)[]): string {
  const hash: Hash = createHash("sha256")
  for (const part of parts) {
    if (typeof part === "string") hash.update(part)
    else for (let at = 0; at < part.length; at += PIECE_BYTES) hash.update(part.subarray(at, at + PIECE_BYTES))
  }
  return hash.digest("hex")
}

/** SHA-256 of bytes that come one after the other. */
export interface RunningDigest {
  readonly add: (bytes: Uint8Array | Uint32Array) => void
  /** 64 lower-case hex digits; nothing may be added afterwards. */
  readonly finish: () => string
}

export function runningDigest(): RunningDigest {
  const hash = createHash("sha256")
  return { add: (bytes) => void hash.update(bytes), finish: () => hash.digest("hex") }
}

/** SHA-256 of a file, which is never held whole. */
export function fileDigest(file: string): string {
  const hash = createHash("sha256")
  for (const piece of readPieces(file)) hash.update(piece)
  return hash.digest("hex")
}

export interface ByteFile {
  readonly write: (bytes: Uint8Array) => void
  /** Makes the file appear under its name; returns its SHA-256. */
  readonly finish: () => string
  /** Removes what was written. */
  readonly discard: () => void
}

/** A file written piece by piece that appears whole or not at all, whatever its length. */
export function createByteFile(file: string): ByteFile {
  makeFolder(path.dirname(path.resolve(file)))
  const temporary = `${file}.${process.pid}.temporary`
  const descriptor = openSync(temporary, "w")
  const hash = createHash("sha256")
  return {
    write: (bytes) => {
      for (let offset = 0; offset < bytes.length; ) {
        const piece = bytes.subarray(offset, offset + PIECE_BYTES)
        const written = writeSync(descriptor, piece)
        hash.update(piece.subarray(0, written))
        offset += written
      }
    },
    finish: () => {
      fsyncSync(descriptor)
      closeSync(descriptor)
      renameSync(temporary, file)
      syncFolder(path.dirname(path.resolve(file)))
      return hash.digest("hex")
    },
    discard: () => {
      closeSync(descriptor)
      rmSync(temporary, { force: true })
    },
  }
}

export interface LineFile extends Omit<ByteFile, "write"> {
  /** Adds a line; the newline is added here. */
  readonly write: (line: string) => void
}

/** A file written line by line that appears whole or not at all, whatever its length. */
export function createLineFile(file: string): LineFile {
  const { write, ...end } = createByteFile(file)
  const encoder = new TextEncoder()
  return { ...end, write: (line) => write(encoder.encode(`${line}\n`)) }
}
