// The merges of byte pair encoding in four typed arrays: pairs by rank, what each makes, and a table that finds a pair's rank.
import { fault } from "./field.ts"
import { withRoom } from "./growing.ts"
import { PartlyRead, PLACES_EACH, spread, type Vocabulary } from "./vocabulary.ts"

const NONE = -1

export class MergeTable {
  /** entries of the vocabulary while the table is filled, then ids */
  private lefts = new Uint32Array(0)
  private rights = new Uint32Array(0)
  private merged = new Uint32Array(0)
  private count = 0
  private seed = 0
  /** rank + 1 by the hash of the pair; 0 where there is none */
  private places = new Uint32Array(1)

  get size(): number {
    return this.count
  }

  /** Adds the merge of the next rank, by entries of the vocabulary. */
  add(left: number, right: number): void {
    this.lefts = withRoom(this.lefts, this.count + 1)
    this.rights = withRoom(this.rights, this.count + 1)
    this.lefts[this.count] = left
    this.rights[this.count] = right
    this.count++
  }

  /** After the last `add`: finds what each pair makes. Throws InvalidTokenizer where the vocabulary lacks it. */
  complete(vocabulary: Vocabulary, prefix: string): this {
    this.seed = vocabulary.seed
    const prefixBytes = new TextEncoder().encode(prefix).length
    this.lefts = this.lefts.slice(0, this.count)
    this.rights = this.rights.slice(0, this.count)
    this.merged = new Uint32Array(this.count)
    this.places = new Uint32Array(PLACES_EACH * this.count + 1)
    for (let rank = 0; rank < this.count; rank++) {
      const [left, right] = [this.lefts[rank]!, this.rights[rank]!]
      const made = vocabulary.findJoined(left, right, prefixBytes)
      if (made === NONE) missing(vocabulary.textOf(left) + vocabulary.textOf(right).slice(prefix.length))
      this.merged[rank] = vocabulary.idAt(made)
      this.lefts[rank] = vocabulary.idAt(left)
      this.rights[rank] = vocabulary.idAt(right)
    }
    for (let rank = 0; rank < this.count; rank++) this.place(rank)
    return this
  }

  /** The rank of a pair of ids; -1 where nothing merges it. */
  rankOf(left: number, right: number): number {
    const { lefts, rights, places } = this
    for (let place = this.placeOf(left, right); ; place = place + 1 === places.length ? 0 : place + 1) {
      const rank = places[place]! - 1
      if (rank === NONE || (lefts[rank] === left && rights[rank] === right)) return rank
    }
  }

  /** The id that a merge makes. */
  madeBy(rank: number): number {
    return this.merged[rank]!
  }

  private placeOf(left: number, right: number): number {
    const hash = spread(Math.imul(left ^ this.seed, 0x9e3779b1) ^ Math.imul(right, 0x27d4eb2f))
    return Math.floor(hash * (this.places.length / 2 ** 32))
  }

  /** Of a pair that stands twice, the later rank counts. */
  private place(rank: number): void {
    const { lefts, rights, places } = this
    const [left, right] = [lefts[rank]!, rights[rank]!]
    let place = this.placeOf(left, right)
    while (places[place] !== 0 && !(lefts[places[place]! - 1] === left && rights[places[place]! - 1] === right))
      place = place + 1 === places.length ? 0 : place + 1
    places[place] = rank + 1
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
