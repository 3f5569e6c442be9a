// GPT-2's printable stand-ins for the 256 bytes.

const printable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)

let next = 256
/** By byte. */
export const BYTE_CHARACTERS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  String.fromCharCode(printable(byte) ? byte : next++),
)
const BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]))
const encoder = new TextEncoder()

/** A text's UTF-8 bytes, each as its character. */
export function byteCharacters(text: string): string {
  let characters = ""
  for (const byte of encoder.encode(text)) characters += BYTE_CHARACTERS[byte]!
  return characters
}

/** The bytes that a token stands for; those of the token itself where one of its characters stands for none. */
export function bytesOf(token: string): Iterable<number> {
  const bytes = Array.from(token, (character) => BYTES.get(character))
  return bytes.includes(undefined) ? encoder.encode(token) : (bytes as number[])
}
