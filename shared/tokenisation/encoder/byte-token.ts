// How a vocabulary names single bytes.

/** As SentencePiece names them. */
export const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`

/** The id of each of the 256 bytes; undefined for those that the vocabulary lacks. */
export function idsOfBytes(idOf: (token: string) => number | undefined): readonly (number | undefined)[] {
  return Array.from({ length: 256 }, (_, byte) => idOf(byteToken(byte)))
}

/** Ids of UTF-8 bytes; undefined where the vocabulary lacks one of them. */
export function byteIds(bytes: Uint8Array, ids: readonly (number | undefined)[]): number[] | undefined {
  const found = Array.from(bytes, (byte) => ids[byte])
  return found.includes(undefined) ? undefined : (found as number[])
}
