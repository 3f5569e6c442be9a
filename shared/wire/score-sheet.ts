// What a score job is to give, pair by pair in the order of its pack: which responses are asked for, under which names, and of how many
// tokens. Entries are of one size, so that whoever takes some records reads some entries. What a runner hands in is held to it.
import { bytesToHex, hexToBytes } from "#shared/formats/digest.ts"

export interface SheetResponse {
  /** What the response's record is named by. */
  readonly digest: string
  readonly tokens: number
  /** False where a record is there already, or another pair gives it, of this job or an earlier one. */
  readonly isWanted: boolean
}

export interface SheetEntry {
  readonly chosen: SheetResponse
  readonly rejected: SheetResponse
}

const DIGEST_BYTES = 32
const RESPONSE_BYTES = DIGEST_BYTES + 4 + 4
const ENTRY_BYTES = 2 * RESPONSE_BYTES

export const encodeSheet = (entries: readonly SheetEntry[]): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(entries.length * ENTRY_BYTES)
  const view = new DataView(bytes.buffer)
  entries.forEach(({ chosen, rejected }, index) => {
    for (const [side, { digest, tokens, isWanted }] of [chosen, rejected].entries()) {
      const at = index * ENTRY_BYTES + side * RESPONSE_BYTES
      bytes.set(hexToBytes(digest), at)
      view.setUint32(at + DIGEST_BYTES, tokens, true)
      view.setUint32(at + DIGEST_BYTES + 4, isWanted ? 1 : 0, true)
    }
  })
  return bytes
}

/** Where the entries of `pairs` pairs from pair `from` on stand. */
export const sheetRange = (from: number, pairs: number) => ({ offset: from * ENTRY_BYTES, length: pairs * ENTRY_BYTES })

/**
 * The responses that sheets ask for, eight bytes a response. Two digests that begin alike are one in 2^64; the other's record is then found
 * missing, and scored, before the pack is made.
 */
export class AskedResponses {
  /** Of each sheet, in order. */
  readonly #beginnings: BigUint64Array[] = []

  add(sheet: Uint8Array): void {
    const view = new DataView(sheet.buffer, sheet.byteOffset, sheet.byteLength)
    const beginnings = new BigUint64Array(sheet.length / RESPONSE_BYTES)
    let count = 0
    for (let at = 0; at < sheet.length; at += RESPONSE_BYTES)
      if (view.getUint32(at + DIGEST_BYTES + 4, true) === 1) beginnings[count++] = view.getBigUint64(at)
    this.#beginnings.push(beginnings.slice(0, count).sort())
  }

  has(digest: string): boolean {
    const wanted = BigInt(`0x${digest.slice(0, 16)}`)
    return this.#beginnings.some((sorted) => {
      let [from, to] = [0, sorted.length]
      while (from < to) {
        const middle = (from + to) >>> 1
        if (sorted[middle]! < wanted) from = middle + 1
        else to = middle
      }
      return sorted[from] === wanted
    })
  }
}

/** The entries of whole ranges. */
export const decodeSheet = (bytes: Uint8Array): SheetEntry[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const responseAt = (at: number): SheetResponse => ({
    digest: bytesToHex(bytes.subarray(at, at + DIGEST_BYTES)),
    tokens: view.getUint32(at + DIGEST_BYTES, true),
    isWanted: view.getUint32(at + DIGEST_BYTES + 4, true) === 1,
  })
  return Array.from({ length: bytes.length / ENTRY_BYTES }, (_, index) => ({
    chosen: responseAt(index * ENTRY_BYTES),
    rejected: responseAt(index * ENTRY_BYTES + RESPONSE_BYTES),
  }))
}
