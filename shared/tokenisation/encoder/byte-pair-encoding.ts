// Byte pair encoding: the neighbours of the lowest rank are merged until none can be.
// Source: tokenizers 0.23, src/models/bpe/model.rs (merge_word, also the order in which unknown characters come out) and word.rs.
import { byteIds, idsOfBytes } from "./byte-token.ts"
import { fault, flagOf, type Part, refuse, textOf } from "./field.ts"
import { type MergeTable, mergesOf } from "./merge-table.ts"
import type { Model } from "./model.ts"
import { SmallestFirst } from "./smallest-first.ts"
import { type Vocabulary, vocabularyOf } from "./vocabulary.ts"

const MAX_CACHED_LENGTH = 256
const MAX_CACHED = 10_000
/** Code units of all cached pieces: with their ids, two megabytes. */
const MAX_CACHED_UNITS = 100_000
// A merge that waits is one number: rank, then place.
const PLACES = 2 ** 31
const NONE = -1
/** Code points below are most of a text; what their tokens are is looked up once. */
const COMMON_CODE_POINTS = 0x3000
const UNASKED = -2

const encoder = new TextEncoder()

export class BytePairEncoding implements Model {
  private readonly vocabulary: Vocabulary
  private readonly merges: MergeTable
  private readonly unknownToken: string | undefined
  private readonly prefix: string
  private readonly suffix: string
  private readonly fusesUnknown: boolean
  private readonly idsOfBytes: readonly (number | undefined)[] | undefined
  private readonly ignoresMerges: boolean
  private readonly cache = new Map<string, readonly number[]>()
  private cachedUnits = 0
  private readonly entries = new Int32Array(COMMON_CODE_POINTS).fill(UNASKED)

  constructor(part: Part) {
    const optional = (name: string) =>
      part[name] === null || part[name] === undefined ? undefined : textOf(part, name)
    if (part.dropout !== null && part.dropout !== undefined && part.dropout !== 0) refuse("BPE with dropout")
    this.vocabulary = vocabularyOf(part.vocab)
    this.unknownToken = optional("unk_token")
    this.prefix = optional("continuing_subword_prefix") ?? ""
    this.suffix = optional("end_of_word_suffix") ?? ""
    this.fusesUnknown = flagOf(part, "fuse_unk", false)
    this.idsOfBytes = flagOf(part, "byte_fallback", false) ? idsOfBytes((token) => this.idOf(token)) : undefined
    this.ignoresMerges = flagOf(part, "ignore_merges", false)
    this.merges = mergesOf(part.merges, this.vocabulary).complete(this.vocabulary, this.prefix)
  }

  get size(): number {
    return this.vocabulary.size
  }

  get idEnd(): number {
    return this.vocabulary.idEnd
  }

  idOf(token: string): number | undefined {
    return this.vocabulary.idOf(token)
  }

  tokenOf(id: number): string | undefined {
    return this.vocabulary.tokenOf(id)
  }

  encode(piece: string): readonly number[] {
    const known = this.cache.get(piece)
    if (known !== undefined) return known
    const whole = this.ignoresMerges ? this.idOf(piece) : undefined
    const ids = whole === undefined ? this.merged(this.characters(piece)) : [whole]
    this.keep(piece, ids)
    return ids
  }

  private keep(piece: string, ids: readonly number[]): void {
    if (piece.length >= MAX_CACHED_LENGTH) return
    // Begun anew where it is full: a prompt comes again with each of its responses, a text of long ago does not.
    if (this.cache.size >= MAX_CACHED || this.cachedUnits + piece.length > MAX_CACHED_UNITS) {
      this.cache.clear()
      this.cachedUnits = 0
    }
    this.cachedUnits += piece.length
    // A text of its own: a part of a text would keep the whole of it.
    this.cache.set(piece.split("").join(""), ids)
  }

  private entryOf(codePoint: number): number {
    if (codePoint >= COMMON_CODE_POINTS) return this.vocabulary.findCodePoint(codePoint)
    if (this.entries[codePoint] === UNASKED) this.entries[codePoint] = this.vocabulary.findCodePoint(codePoint)
    return this.entries[codePoint]!
  }

  /** Ids of the characters: of themselves, of their bytes, or of the unknown token; nothing where there is none. */
  private characters(piece: string): number[] {
    const { vocabulary, prefix, suffix } = this
    const isPlain = prefix === "" && suffix === ""
    const ids: number[] = []
    let unknown: number | undefined
    const flush = () => {
      if (unknown !== undefined) ids.push(unknown)
      unknown = undefined
    }
    for (let at = 0, width = 1; at < piece.length; at += width) {
      const codePoint = piece.codePointAt(at)!
      width = codePoint > 0xffff ? 2 : 1
      const formOf = () =>
        (at === 0 ? "" : prefix) + piece.slice(at, at + width) + (at + width === piece.length ? suffix : "")
      const entry = isPlain ? this.entryOf(codePoint) : vocabulary.findText(formOf())
      if (entry !== NONE) {
        flush()
        ids.push(vocabulary.idAt(entry))
        continue
      }
      // Bytes go before an unknown character that still waits, as in the original.
      const bytes = this.idsOfBytes && byteIds(encoder.encode(formOf()), this.idsOfBytes)
      if (bytes !== undefined) ids.push(...bytes)
      else if (this.unknownToken !== undefined) {
        if (!this.fusesUnknown) flush()
        unknown ??= this.idOf(this.unknownToken) ?? fault(`the vocab lacks the unk_token ${this.unknownToken}`)
      }
    }
    flush()
    return ids
  }

  private merged(ids: number[]): readonly number[] {
    const count = ids.length
    if (count < 2) return ids
    const { merges } = this
    const next = new Int32Array(count)
    const previous = new Int32Array(count)
    for (let at = 0; at < count; at++) {
      next[at] = at + 1 < count ? at + 1 : NONE
      previous[at] = at - 1
    }
    const isGone = new Uint8Array(count)
    const queue = new SmallestFirst()
    // Of the pair that begins at each place now.
    const ranks = new Int32Array(count).fill(NONE)
    const offer = (at: number) => {
      const right = next[at]!
      const rank = right < 0 ? NONE : merges.rankOf(ids[at]!, ids[right]!)
      ranks[at] = rank
      if (rank !== NONE) queue.push(rank * PLACES + at)
    }
    for (let at = 0; at < count - 1; at++) offer(at)
    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const at = top % PLACES
      const madeId = merges.madeBy(Math.floor(top / PLACES))
      const rank = isGone[at] ? NONE : ranks[at]!
      // An entry of before another merge took one of the two.
      if (rank === NONE || merges.madeBy(rank) !== madeId) continue
      const right = next[at]!
      ids[at] = madeId
      isGone[right] = 1
      next[at] = next[right]!
      if (next[right]! >= 0) previous[next[right]!] = at
      if (previous[at]! >= 0) offer(previous[at]!)
      offer(at)
    }
    return ids.filter((_, at) => isGone[at] === 0)
  }
}
