// SentencePiece's compiled character map: a double-array trie of what is replaced, and the replacements.
// Source: the crate spm_precompiled, and tokenizers 0.23, src/normalizers/precompiled.rs.
import { fault } from "./field.ts"

// The map is asked for whole graphemes below this length, and for their characters one by one otherwise.
const MAX_GRAPHEME_BYTES = 6
const encoder = new TextEncoder()

/** The normaliser of a map in base64. Throws InvalidTokenizer. */
export function precompiledNormaliser(base64: string): (text: string) => string {
  const find = readMap(base64)
  const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" })
  return (text) => {
    let changed = ""
    for (const { segment: grapheme } of graphemes.segment(text)) {
      const bytes = encoder.encode(grapheme)
      const whole = bytes.length < MAX_GRAPHEME_BYTES ? find(bytes) : undefined
      if (whole !== undefined) changed += whole
      else for (const character of grapheme) changed += find(encoder.encode(character)) ?? character
    }
    return changed
  }
}

/** Finds the replacement of the shortest text in the map that the given bytes begin with. */
function readMap(base64: string): (bytes: Uint8Array) => string | undefined {
  let blob: Uint8Array<ArrayBuffer>
  try {
    blob = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    return fault("precompiled_charsmap is not base64")
  }
  const view = new DataView(blob.buffer)
  const trieBytes = blob.length >= 4 ? view.getUint32(0, true) : Number.NaN
  if (!(trieBytes % 4 === 0 && 4 + trieBytes <= blob.length)) return fault("precompiled_charsmap is cut off")
  const trie = Uint32Array.from({ length: trieBytes / 4 }, (_, index) => view.getUint32(4 + 4 * index, true))
  const replacements = blob.subarray(4 + trieBytes)
  const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true })
  return (bytes) => {
    const start = findValue(trie, bytes)
    if (start === undefined) return undefined
    const end = replacements.indexOf(0, start)
    return decoder.decode(replacements.subarray(start, end < 0 ? replacements.length : end))
  }
}

/** Darts' double array: a unit holds its label, where its children are, and whether a value stands there. */
function findValue(trie: Uint32Array, bytes: Uint8Array): number | undefined {
  const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6)
  let position = offset(trie[0] ?? 0)
  for (const byte of bytes) {
    if (byte === 0) return undefined
    position ^= byte
    const unit = trie[position] ?? 0
    if ((unit & 0x800000ff) >>> 0 !== byte) return undefined
    position ^= offset(unit)
    if ((unit & 0x100) !== 0) return (trie[position] ?? 0) & 0x7fffffff
  }
  return undefined
}
