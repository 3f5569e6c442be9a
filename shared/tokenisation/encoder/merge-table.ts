// The merges of byte pair encoding in four typed arrays: pairs by rank, what each makes, and a table that finds a pair's rank.
import { fault } from "./field.ts"
import { withRoom } from "./growing.ts"
import { PartlyRead, PLACES_EACH, spread, type Vocabulary } from "./vocabulary.ts"

const NONE = -1

export class MergeTable {
  /** left and right of each rank, beside each other: entries of the vocabulary while the table is filled, then ids */
  private pairs = new Uint32Array(0)
  private merged = new Uint32Array(0)
  private count = 0
  private seed = 0
  /** by the hash of the pair, rank + 1, and above it what room is left of the hash: most pairs that differ are told by it. 0: none */
  private places = new Uint32Array(1)
  private rankBits = 0
  private rankMask = 0

  get size(): number {
    return this.count
  }

  /** Adds the merge of the next rank, by entries of the vocabulary. */
  add(left: number, right: number): void {
    this.pairs = withRoom(this.pairs, 2 * this.count + 2)
    this.pairs[2 * this.count] = left
    this.pairs[2 * this.count + 1] = right
    this.count++
  }

  /** After the last `add`: finds what each pair makes. Throws InvalidTokenizer where the vocabulary lacks it. */
  complete(vocabulary: Vocabulary, prefix: string): this {
    this.seed = vocabulary.seed
    this.rankBits = 32 - Math.clz32(this.count)
    this.rankMask = 2 ** this.rankBits - 1
    const prefixBytes = new TextEncoder().encode(prefix).length
    this.pairs = this.pairs.slice(0, 2 * this.count)
    this.merged = new Uint32Array(this.count)
    this.places = new Uint32Array(PLACES_EACH * this.count + 1)
    for (let rank = 0; rank < this.count; rank++) {
      const [left, right] = [this.pairs[2 * rank]!, this.pairs[2 * rank + 1]!]
      const made = vocabulary.findJoined(left, right, prefixBytes)
      if (made === NONE) missing(vocabulary.textOf(left) + vocabulary.textOf(right).slice(prefix.length))
      this.merged[rank] = vocabulary.idAt(made)
      this.pairs[2 * rank] = vocabulary.idAt(left)
      this.pairs[2 * rank + 1] = vocabulary.idAt(right)
    }
    for (let rank = 0; rank < this.count; rank++) this.place(rank)
    return this
  }

  /** The rank of a pair of ids; -1 where nothing merges it. */
  rankOf(left: number, right: number): number {
    const { pairs, places, rankBits, rankMask } = this
    const hash = this.hashOf(left, right)
    for (let place = this.placeOf(hash); ; place = place + 1 === places.length ? 0 : place + 1) {
      const held = places[place]!
      if (held === 0) return NONE
      if ((held ^ (hash << rankBits)) >>> rankBits !== 0) continue
      const rank = (held & rankMask) - 1
      if (pairs[2 * rank] === left && pairs[2 * rank + 1] === right) return rank
    }
  }

  /** The id that a merge makes. */
  madeBy(rank: number): number {
    return this.merged[rank]!
  }

  private hashOf(left: number, right: number): number {
    return spread(Math.imul(left ^ this.seed, 0x9e3779b1) ^ Math.imul(right, 0x27d4eb2f))
  }

  private placeOf(hash: number): number {
    return Math.floor(hash * (this.places.length / 2 ** 32))
  }

  /** Of a pair that stands twice, the later rank counts. */
  private place(rank: number): void {
    const { pairs, places, rankBits, rankMask } = this
    const [left, right] = [pairs[2 * rank]!, pairs[2 * rank + 1]!]
    const isOther = (other: number) => pairs[2 * other] !== left || pairs[2 * other + 1] !== right
    const hash = this.hashOf(left, right)
    let place = this.placeOf(hash)
    while (places[place] !== 0 && isOther((places[place]! & rankMask) - 1))
      place = place + 1 === places.length ? 0 : place + 1
    places[place] = (hash << rankBits) | (rank + 1)
  }
}

function missing(token: string): never {
  return fault(`the merges name ${JSON.stringify(token)}, which the vocab lacks`)
}

const isPair = (value: unknown): value is readonly [string, string] =>
  Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === "string")

/** The merges of BPE, of which the first may have been read already: pairs, from lists of two or from texts with one space. Throws InvalidTokenizer. */
export function mergesOf(value: unknown, vocabulary: Vocabulary): MergeTable {
  const isRead = value instanceof PartlyRead
  const merges: MergeTable = isRead ? value.table : new MergeTable()
  const rest: unknown = isRead ? value.rest : value
  if (!Array.isArray(rest)) return fault("BPE has no merges")
  const entryOf = (token: string) => {
    const entry = vocabulary.findText(token)
    return entry === NONE ? missing(token) : entry
  }
  for (const merge of rest) {
    if (typeof merge === "string" && merge.startsWith("#version")) continue
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge
    if (!isPair(pair)) return fault(`the merge ${JSON.stringify(merge)} is no pair`)
    merges.add(entryOf(pair[0]), entryOf(pair[1]))
  }
  return merges
}
