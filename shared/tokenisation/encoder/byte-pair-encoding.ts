// Byte pair encoding: the neighbours of the lowest rank are merged until none can be.
// Source: tokenizers 0.23, src/models/bpe/model.rs (merge_word, also the order in which unknown characters come out) and word.rs.
import { byteIds } from "./byte-token.ts"
import { fault, flagOf, type Part, refuse, textOf, vocabularyOf } from "./field.ts"
import type { Model } from "./model.ts"
import { SmallestFirst } from "./smallest-first.ts"

const MAX_CACHED_LENGTH = 256
const MAX_CACHED = 10_000
// A merge that waits is one number: rank, then place.
const PLACES = 2 ** 31

export class BytePairEncoding implements Model {
  private readonly ids: ReadonlyMap<string, number>
  private readonly tokens: ReadonlyMap<number, string>
  private readonly idRange: number
  /** rank of a pair of ids, as left · idRange + right */
  private readonly ranks: ReadonlyMap<number, number>
  /** what a merge makes, by rank */
  private readonly mergedIds: readonly number[]
  private readonly unknownToken: string | undefined
  private readonly prefix: string
  private readonly suffix: string
  private readonly fusesUnknown: boolean
  private readonly hasByteFallback: boolean
  private readonly ignoresMerges: boolean
  private readonly cache = new Map<string, readonly number[]>()

  constructor(part: Part) {
    const optional = (name: string) =>
      part[name] === null || part[name] === undefined ? undefined : textOf(part, name)
    if (part.dropout !== null && part.dropout !== undefined && part.dropout !== 0) refuse("BPE with dropout")
    this.ids = vocabularyOf(part.vocab)
    this.tokens = new Map(Array.from(this.ids, ([token, id]) => [id, token]))
    this.idRange = [...this.tokens.keys()].reduce((most, id) => Math.max(most, id), 0) + 1
    this.unknownToken = optional("unk_token")
    this.prefix = optional("continuing_subword_prefix") ?? ""
    this.suffix = optional("end_of_word_suffix") ?? ""
    this.fusesUnknown = flagOf(part, "fuse_unk", false)
    this.hasByteFallback = flagOf(part, "byte_fallback", false)
    this.ignoresMerges = flagOf(part, "ignore_merges", false)
    const merges = readMerges(part.merges)
    this.ranks = new Map(merges.map(([left, right], rank) => [this.idIn(left) * this.idRange + this.idIn(right), rank]))
    this.mergedIds = merges.map(([left, right]) => this.idIn(left + right.slice(this.prefix.length)))
  }

  private idIn(token: string): number {
    return this.ids.get(token) ?? fault(`the merges name ${JSON.stringify(token)}, which the vocab lacks`)
  }

  get size(): number {
    return this.ids.size
  }

  get vocabulary(): Iterable<readonly [string, number]> {
    return this.ids
  }

  idOf(token: string): number | undefined {
    return this.ids.get(token)
  }

  tokenOf(id: number): string | undefined {
    return this.tokens.get(id)
  }

  encode(piece: string): readonly number[] {
    const whole = this.ignoresMerges ? this.ids.get(piece) : undefined
    if (whole !== undefined) return [whole]
    const known = this.cache.get(piece)
    if (known !== undefined) return known
    const ids = this.merged(this.characters(piece))
    if (piece.length < MAX_CACHED_LENGTH && this.cache.size < MAX_CACHED) this.cache.set(piece, ids)
    return ids
  }

  /** Ids of the characters: of themselves, of their bytes, or of the unknown token; nothing where there is none. */
  private characters(piece: string): number[] {
    const ids: number[] = []
    const all = [...piece]
    let unknown: number | undefined
    const flush = () => {
      if (unknown !== undefined) ids.push(unknown)
      unknown = undefined
    }
    all.forEach((character, index) => {
      const isLast = index === all.length - 1
      const token = (index === 0 ? "" : this.prefix) + character + (isLast ? this.suffix : "")
      const id = this.ids.get(token)
      if (id !== undefined) {
        flush()
        ids.push(id)
        return
      }
      // Bytes go before an unknown character that still waits, as in the original.
      const bytes = this.hasByteFallback ? byteIds(token, (name) => this.ids.get(name)) : undefined
      if (bytes !== undefined) ids.push(...bytes)
      else if (this.unknownToken !== undefined) {
        if (!this.fusesUnknown) flush()
        unknown ??= this.ids.get(this.unknownToken) ?? fault(`the vocab lacks the unk_token ${this.unknownToken}`)
      }
    })
    flush()
    return ids
  }

  private merged(ids: number[]): readonly number[] {
    if (ids.length < 2) return ids
    const next = Int32Array.from(ids, (_, at) => (at + 1 < ids.length ? at + 1 : -1))
    const previous = Int32Array.from(ids, (_, at) => at - 1)
    const isGone = new Uint8Array(ids.length)
    const queue = new SmallestFirst()
    const rankAt = (at: number) => {
      const right = next[at]!
      return right < 0 ? undefined : this.ranks.get(ids[at]! * this.idRange + ids[right]!)
    }
    const offer = (at: number) => {
      const rank = rankAt(at)
      if (rank !== undefined) queue.push(rank * PLACES + at)
    }
    for (let at = 0; at < ids.length - 1; at++) offer(at)
    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const at = top % PLACES
      const mergedId = this.mergedIds[Math.floor(top / PLACES)]!
      const rank = isGone[at] ? undefined : rankAt(at)
      // An entry of before another merge took one of the two.
      if (rank === undefined || this.mergedIds[rank] !== mergedId) continue
      const right = next[at]!
      ids[at] = mergedId
      isGone[right] = 1
      next[at] = next[right]!
      if (next[right]! >= 0) previous[next[right]!] = at
      if (previous[at]! >= 0) offer(previous[at]!)
      offer(at)
    }
    return ids.filter((_, at) => isGone[at] === 0)
  }
}

/** Pairs, from lists of two or from texts with one space. */
function readMerges(value: unknown): (readonly [string, string])[] {
  if (!Array.isArray(value)) return fault("BPE has no merges")
  const lines = value.filter((merge) => !(typeof merge === "string" && merge.startsWith("#version")))
  return lines.map((merge) => {
    const pair: unknown[] = typeof merge === "string" ? merge.split(" ") : merge
    const isPair = Array.isArray(pair) && pair.length === 2 && pair.every((each) => typeof each === "string")
    return isPair
      ? (pair as unknown as readonly [string, string])
      : fault(`the merge ${JSON.stringify(merge)} is no pair`)
  })
}
