// Byte-level byte-pair encoding, trained from texts. Source: Sennrich et al. 2016 (the algorithm) and GPT-2's encoder.py
// (bytes as printable characters). Ties go to the smaller pair of ids, so the same texts always give the same merges.

/**
 * What is never merged across, before bytes are looked at: a Latin word with its leading space, a run of hiragana,
 * katakana or kanji, one digit, a run of signs. Same pattern in tokenizer.json; it uses nothing in which JavaScript's and
 * Oniguruma's engines differ.
 */
export const PIECE_PATTERN = [
  "'(?:[sdmt]|ll|ve|re)",
  " ?[A-Za-zÀ-ɏ]+",
  "[ぁ-ゟ]+",
  "[ァ-ヿ]+",
  "[一-鿿々]+",
  " ?\\p{L}+",
  " ?\\p{N}",
  " ?[^\\s\\p{L}\\p{N}]+",
  "\\s+(?!\\S)",
  "\\s+",
].join("|")

export interface Encoding {
  /** Token texts in the byte alphabet, by id: first the 256 bytes in order, then one for each merge. */
  readonly tokens: readonly string[]
  /** The merges in order of rank, as pairs of token texts. */
  readonly merges: readonly (readonly [string, string])[]
}

/** The printable character that stands for each byte: printable Latin-1 as itself, the others from U+0100 on. */
export function byteAlphabet(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(isPrintable ? byte : next++)
  })
}

interface Word {
  ids: number[]
  readonly count: number
}

/** One pair of neighbouring ids as a map key; ids stay below 2^16. */
const pairKey = (left: number, right: number): number => left * 65_536 + right

/** Keeps how often each pair occurs, and in which words it may. */
class PairCounts {
  readonly counts = new Map<number, number>()
  readonly words = new Map<number, Set<Word>>()

  add(word: Word, sign: 1 | -1): void {
    for (let index = 0; index + 1 < word.ids.length; index++) {
      const key = pairKey(word.ids[index]!, word.ids[index + 1]!)
      this.counts.set(key, (this.counts.get(key) ?? 0) + sign * word.count)
      if (sign < 0) continue
      const known = this.words.get(key)
      if (known === undefined) this.words.set(key, new Set([word]))
      else known.add(word)
    }
  }

  /** The most frequent pair that occurs at least `minimumCount` times. */
  mostFrequent(minimumCount: number): number | undefined {
    let best: number | undefined
    let bestCount = minimumCount - 1
    for (const [key, count] of this.counts) {
      if (count > bestCount || (count === bestCount && best !== undefined && key < best)) {
        best = key
        bestCount = count
      }
    }
    return best
  }

  takeWords(key: number): Set<Word> {
    const words = this.words.get(key) ?? new Set<Word>()
    this.words.delete(key)
    this.counts.delete(key)
    return words
  }
}

function countPieces(texts: Iterable<string>): Word[] {
  const pattern = new RegExp(PIECE_PATTERN, "gu")
  const counts = new Map<string, number>()
  for (const text of texts) {
    for (const [piece] of text.matchAll(pattern)) counts.set(piece, (counts.get(piece) ?? 0) + 1)
  }
  const encoder = new TextEncoder()
  return [...counts].map(([piece, count]) => ({ ids: [...encoder.encode(piece)], count }))
}

function mergePair(ids: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = []
  for (let index = 0; index < ids.length; index++) {
    if (ids[index] === left && ids[index + 1] === right) {
      result.push(merged)
      index++
    } else result.push(ids[index]!)
  }
  return result
}

/** Trains up to `size` tokens (bytes included); fewer when no pair occurs `minimumCount` times any more. */
export function trainBytePairs(texts: Iterable<string>, size: number, minimumCount = 8): Encoding {
  const words = countPieces(texts)
  const pairs = new PairCounts()
  for (const word of words) pairs.add(word, 1)
  const tokens = byteAlphabet()
  const merges: (readonly [string, string])[] = []
  while (tokens.length < size) {
    const key = pairs.mostFrequent(minimumCount)
    if (key === undefined) break
    const left = Math.floor(key / 65_536)
    const right = key % 65_536
    const merged = tokens.length
    merges.push([tokens[left]!, tokens[right]!])
    tokens.push(tokens[left]! + tokens[right]!)
    for (const word of pairs.takeWords(key)) {
      pairs.add(word, -1)
      word.ids = mergePair(word.ids, left, right, merged)
      pairs.add(word, 1)
    }
    pairs.counts.delete(key)
  }
  return { tokens, merges }
}
