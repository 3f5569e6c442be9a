// How a vocabulary names single bytes.

// As SentencePiece names them.
const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`

/** Ids of a text's UTF-8 bytes; undefined where the vocabulary lacks one of them. */
export function byteIds(text: string, idOf: (token: string) => number | undefined): number[] | undefined {
  const ids = Array.from(new TextEncoder().encode(text), (byte) => idOf(byteToken(byte)))
  return ids.includes(undefined) ? undefined : (ids as number[])
}
