// A file that grows block by block and survives being killed anywhere: what was written whole is read back, a block that was not is cut
// off. A file of another owner than the one that asks is begun again.
import { appendFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import path from "node:path"
import { sha256 } from "../files.ts"
import { makeFolder } from "../make-folder.ts"

const DIGEST_CHARACTERS = 64
const LENGTH_BYTES = 4

/** Whether no block was begun in a file, whoever is its owner. */
export const isEmptyBlockFile = (file: string): boolean => statSync(file).size <= DIGEST_CHARACTERS

export class BlockFile {
  readonly #file: string
  readonly #owner: string

  /** `owner` is the SHA-256 of all that the blocks depend on. */
  constructor(file: string, owner: string) {
    this.#file = file
    this.#owner = owner
  }

  /** The whole blocks of this owner, in order; whatever is not one of them is removed from the file. */
  read(): Uint8Array[] {
    const bytes = existsSync(this.#file) ? new Uint8Array(readFileSync(this.#file)) : new Uint8Array(0)
    const text = (from: number) => new TextDecoder("latin1").decode(bytes.subarray(from, from + DIGEST_CHARACTERS))
    if (text(0) !== this.#owner) {
      makeFolder(path.dirname(this.#file))
      writeFileSync(this.#file, this.#owner)
      return []
    }
    const blocks: Uint8Array[] = []
    let end = DIGEST_CHARACTERS
    for (;;) {
      const start = end + LENGTH_BYTES + DIGEST_CHARACTERS
      if (start > bytes.length) break
      const length = new DataView(bytes.buffer, bytes.byteOffset + end).getUint32(0, true)
      const block = bytes.slice(start, start + length)
      if (block.length < length || sha256(block) !== text(end + LENGTH_BYTES)) break
      blocks.push(block)
      end = start + length
    }
    if (end < bytes.length) truncateSync(this.#file, end)
    return blocks
  }

  /** Adds a block, after `read`. */
  append(block: Uint8Array): void {
    const head = new Uint8Array(LENGTH_BYTES)
    new DataView(head.buffer).setUint32(0, block.length, true)
    appendFileSync(this.#file, Buffer.concat([head, Buffer.from(sha256(block), "latin1"), block]))
  }
}
