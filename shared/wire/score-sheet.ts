// What a score job is to give, pair by pair in the order of its pack: which responses are asked for, under which names, and of how many
// tokens. Entries are of one size, so that whoever takes some records reads some entries. What a runner hands in is held to it.
import { bytesToHex, hexToBytes } from "#shared/formats/digest.ts"

export interface SheetResponse {
  /** What the response's record is named by. */
  readonly digest: string
  readonly tokens: number
  /** False where a record is there already, or another pair of the job gives it. */
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
