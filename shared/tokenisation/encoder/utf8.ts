// UTF-8 by hand, where a string or a copy for each token would cost more than the work itself.

/** Code units of a text never need more bytes than this, each. */
export const MOST_BYTES_A_UNIT = 3

/** Writes one code point; half a surrogate pair becomes three bytes, which no valid UTF-8 holds. Returns where it ends. */
export function writeCodePoint(codePoint: number, into: Uint8Array, at: number): number {
  if (codePoint < 0x80) {
    into[at] = codePoint
    return at + 1
  }
  if (codePoint < 0x800) {
    into[at] = 0xc0 | (codePoint >> 6)
    into[at + 1] = 0x80 | (codePoint & 0x3f)
    return at + 2
  }
  if (codePoint < 0x10000) {
    into[at] = 0xe0 | (codePoint >> 12)
    into[at + 1] = 0x80 | ((codePoint >> 6) & 0x3f)
    into[at + 2] = 0x80 | (codePoint & 0x3f)
    return at + 3
  }
  into[at] = 0xf0 | (codePoint >> 18)
  into[at + 1] = 0x80 | ((codePoint >> 12) & 0x3f)
  into[at + 2] = 0x80 | ((codePoint >> 6) & 0x3f)
  into[at + 3] = 0x80 | (codePoint & 0x3f)
  return at + 4
}

/** Writes a text from the start of `into`, which has room for it. Returns where it ends. */
export function writeText(text: string, into: Uint8Array): number {
  let end = 0
  for (let at = 0; at < text.length; at++) {
    const codePoint = text.codePointAt(at)!
    if (codePoint > 0xffff) at++
    end = writeCodePoint(codePoint, into, end)
  }
  return end
}

/** How many bytes the character has that begins with this byte; 0 where none does. */
function lengthAt(first: number): number {
  if (first < 0x80) return 1
  if (first < 0xc2) return 0
  if (first < 0xe0) return 2
  if (first < 0xf0) return 3
  return first < 0xf5 ? 4 : 0
}

// The second byte decides what overlong forms, surrogates and what is beyond U+10FFFF are.
const LEAST_SECOND: Readonly<Record<number, number>> = { 224: 0xa0, 240: 0x90 }
const MOST_SECOND: Readonly<Record<number, number>> = { 237: 0x9f, 244: 0x8f }

/** Whether bytes are UTF-8, as Unicode's table 3-7 has it. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const first = bytes[at]!
    const length = lengthAt(first)
    if (length === 0 || at + length > end) return false
    for (let next = 1; next < length; next++) {
      const byte = bytes[at + next]!
      const least = next === 1 ? (LEAST_SECOND[first] ?? 0x80) : 0x80
      const most = next === 1 ? (MOST_SECOND[first] ?? 0xbf) : 0xbf
      if (byte < least || byte > most) return false
    }
    at += length
  }
  return true
}
