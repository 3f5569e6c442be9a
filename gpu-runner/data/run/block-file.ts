// A file that grows block by block and survives being killed anywhere: what was written whole is read back, a block that was not is cut
// off. A file of another owner than the one that asks is begun again.
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs"
import path from "node:path"
import { sha256 } from "../files.ts"
import { makeFolder } from "../make-folder.ts"

const DIGEST_CHARACTERS = 64
const LENGTH_BYTES = 4

/** Whether no block was begun in a file, whoever is its owner. */
export const isEmptyBlockFile = (file: string): boolean => statSync(file).size <= DIGEST_CHARACTERS

const latin1 = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)

/** Bytes from a position on; fewer where the file ends. */
function readAt(descriptor: number, position: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const read = readSync(descriptor, bytes, done, length - done, position + done)
    if (read === 0) break
    done += read
  }
  return bytes.subarray(0, done)
}

export class BlockFile {
  readonly #file: string
  readonly #owner: string

  /** `owner` is the SHA-256 of all that the blocks depend on. */
  constructor(file: string, owner: string) {
    this.#file = file
    this.#owner = owner
  }

  /**
   * The whole blocks of this owner, in order, each read when it is asked for; behind the last, whatever is not one of them is removed from
   * the file.
   */
  *read(): Generator<Uint8Array, undefined> {
    if (!this.#isOwn()) {
      makeFolder(path.dirname(this.#file))
      writeFileSync(this.#file, this.#owner)
      return
    }
    const descriptor = openSync(this.#file, "r+")
    try {
      let end = DIGEST_CHARACTERS
      for (;;) {
        const head = readAt(descriptor, end, LENGTH_BYTES + DIGEST_CHARACTERS)
        if (head.length < LENGTH_BYTES + DIGEST_CHARACTERS) break
        const length = new DataView(head.buffer).getUint32(0, true)
        const start = end + head.length
        if (start + length > fstatSync(descriptor).size) break
        const block = readAt(descriptor, start, length)
        if (sha256(block) !== latin1(head.subarray(LENGTH_BYTES))) break
        end = start + length
        yield block
      }
      ftruncateSync(descriptor, end)
    } finally {
      closeSync(descriptor)
    }
  }

  #isOwn(): boolean {
    if (!existsSync(this.#file)) return false
    const descriptor = openSync(this.#file, "r")
    try {
      return latin1(readAt(descriptor, 0, DIGEST_CHARACTERS)) === this.#owner
    } finally {
      closeSync(descriptor)
    }
  }

  /** Adds a block, after `read`. */
  append(block: Uint8Array): void {
    const head = new Uint8Array(LENGTH_BYTES)
    new DataView(head.buffer).setUint32(0, block.length, true)
    appendFileSync(this.#file, Buffer.concat([head, Buffer.from(sha256(block), "latin1"), block]))
  }
}
