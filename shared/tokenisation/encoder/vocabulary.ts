// A vocabulary in a few typed arrays: the tokens' UTF-8 bytes one after another, and a table that finds them. A JavaScript string and an
// entry of a Map for each of 262,144 tokens would fill a fifth of an edge isolate.
import { InvalidTokenizer, repeatedKey } from "../invalid-tokenizer.ts"
import { fault, isPart } from "./field.ts"
import { withRoom } from "./growing.ts"
import { MOST_BYTES_A_UNIT, writeCodePoint, writeText } from "./utf8.ts"

/** What was read of a list or an object as it came, and the members that nothing was made of: they are looked at as values. */
export class PartlyRead<Table> {
  readonly table: Table
  readonly rest: unknown

  constructor(table: Table, rest: unknown) {
    this.table = table
    this.rest = rest
  }
}

/** Ids are 32 bits in the original too. */
const MOST_ID = 2 ** 32 - 1
const NONE = -1
/** A table has twice as many places as it holds: two or three looks find out that something is not there. */
export const PLACES_EACH = 2

const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true })

/** Fowler, Noll and Vo's hash (FNV-1a), one byte further. */
export const hashByte = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193)

/** Of what FNV gives, all bits, so that the upper ones can choose a place. Source: the last steps of MurmurHash3. */
export function spread(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

export class Vocabulary {
  /** Where hashes start. Chance, so that no file can be made whose tokens all fall on one place. */
  readonly seed = Math.floor(Math.random() * 2 ** 32) | 0
  private bytes = new Uint8Array(0)
  /** where each token's bytes end */
  private ends = new Uint32Array(0)
  /** undefined as long as tokens stand in the order of their ids, without gaps */
  private ids: Uint32Array<ArrayBuffer> | undefined
  private longest = 0
  private count = 0
  private largestId = NONE
  /** entry + 1 by the hash of its bytes; 0 where there is none */
  private places = new Uint32Array(1)
  private placed = 0
  private firstRepeated = NONE
  private placesById: Uint32Array<ArrayBuffer> | undefined
  private scratch = new Uint8Array(8)

  /** How many tokens were added. */
  get size(): number {
    return this.count
  }

  get tokenBytes(): number {
    return this.count === 0 ? 0 : this.ends[this.count - 1]!
  }

  /** Whether ids are other than the tokens' places. */
  get hasOwnIds(): boolean {
    return this.ids !== undefined
  }

  /** Of the longest token. */
  get longestBytes(): number {
    return this.longest
  }

  /** One more than the largest id. */
  get idEnd(): number {
    return this.largestId + 1
  }

  /** A token that was added twice: the later one counts. */
  get repeated(): string | undefined {
    this.settle()
    return this.firstRepeated === NONE ? undefined : this.textOf(this.firstRepeated)
  }

  /** Adds a token by its bytes, which are UTF-8. */
  add(from: Uint8Array, start: number, end: number, id: number): void {
    const at = this.tokenBytes
    const length = end - start
    this.bytes = withRoom(this.bytes, at + length)
    for (let index = 0; index < length; index++) this.bytes[at + index] = from[start + index]!
    this.ends = withRoom(this.ends, this.count + 1)
    this.ends[this.count] = at + length
    if (this.ids === undefined && id !== this.count)
      this.ids = Uint32Array.from({ length: this.count }, (_, each) => each)
    if (this.ids !== undefined) {
      this.ids = withRoom(this.ids, this.count + 1)
      this.ids[this.count] = id
    }
    this.count++
    this.longest = Math.max(this.longest, length)
    this.largestId = Math.max(this.largestId, id)
  }

  /** Throws InvalidTokenizer where the text holds half a surrogate pair: no text of UTF-8 does, and the original refuses it. */
  addText(token: string, id: number): void {
    if (!token.isWellFormed()) fault(`the vocab holds half a surrogate pair in ${JSON.stringify(token)}`)
    const bytes = new Uint8Array(token.length * MOST_BYTES_A_UNIT)
    this.add(bytes, 0, writeText(token, bytes), id)
  }

  /** The entry of a token's bytes; -1 where there is none. */
  find(from: Uint8Array, start: number, end: number): number {
    if (end - start > this.longest) return NONE
    let hash = this.seed
    for (let at = start; at < end; at++) hash = hashByte(hash, from[at]!)
    return this.findHashed(spread(hash), from, start, end)
  }

  /** As `find`, where the bytes' hash (from `seed` on, spread) is known. */
  findHashed(hash: number, from: Uint8Array, start: number, end: number): number {
    if (this.placed !== this.count) this.settle()
    const { places } = this
    let place = Math.floor(hash * (places.length / 2 ** 32))
    for (;;) {
      const entry = places[place]! - 1
      if (entry === NONE || this.isSame(entry, from, start, end)) return entry
      place = place + 1 === places.length ? 0 : place + 1
    }
  }

  findText(token: string): number {
    if (token.length > this.longest) return NONE
    const into = this.roomFor(token.length * MOST_BYTES_A_UNIT)
    return this.find(into, 0, writeText(token, into))
  }

  findCodePoint(codePoint: number): number {
    return this.find(this.scratch, 0, writeCodePoint(codePoint, this.scratch, 0))
  }

  /** The entry of two tokens' bytes written together, without the first bytes of the second. */
  findJoined(left: number, right: number, skippedBytes: number): number {
    const from = this.startOf(right) + Math.min(skippedBytes, this.lengthOf(right))
    const leftLength = this.lengthOf(left)
    const length = leftLength + this.ends[right]! - from
    if (length > this.longest) return NONE
    const into = this.roomFor(length)
    into.set(this.bytes.subarray(this.startOf(left), this.ends[left]), 0)
    into.set(this.bytes.subarray(from, this.ends[right]), leftLength)
    return this.find(into, 0, length)
  }

  idAt(entry: number): number {
    return this.ids === undefined ? entry : this.ids[entry]!
  }

  textOf(entry: number): string {
    return decoder.decode(this.bytes.subarray(this.startOf(entry), this.ends[entry]))
  }

  idOf(token: string): number | undefined {
    const entry = this.findText(token)
    return entry === NONE ? undefined : this.idAt(entry)
  }

  tokenOf(id: number): string | undefined {
    if (this.ids === undefined) return id < this.count ? this.textOf(id) : undefined
    const entry = this.placeOfId(id)
    return entry === NONE ? undefined : this.textOf(entry)
  }

  private startOf(entry: number): number {
    return entry === 0 ? 0 : this.ends[entry - 1]!
  }

  private lengthOf(entry: number): number {
    return this.ends[entry]! - this.startOf(entry)
  }

  private isSame(entry: number, from: Uint8Array, start: number, end: number): boolean {
    const { bytes } = this
    let at = this.startOf(entry)
    if (this.ends[entry]! - at !== end - start) return false
    for (let other = start; other < end; other++) if (bytes[at++] !== from[other]) return false
    return true
  }

  private roomFor(bytes: number): Uint8Array {
    this.scratch = withRoom(this.scratch, bytes)
    return this.scratch
  }

  /** Gives back what was held for more tokens, and makes the table anew. */
  private settle(): void {
    this.bytes = this.bytes.slice(0, this.tokenBytes)
    this.ends = this.ends.slice(0, this.count)
    this.ids = this.ids?.slice(0, this.count)
    this.places = new Uint32Array(PLACES_EACH * this.count + 1)
    this.placed = this.count
    for (let entry = 0; entry < this.count; entry++) this.place(entry)
  }

  private place(entry: number): void {
    const { places, bytes } = this
    const [start, end] = [this.startOf(entry), this.ends[entry]!]
    let hash = this.seed
    for (let at = start; at < end; at++) hash = hashByte(hash, bytes[at]!)
    let place = Math.floor(spread(hash) * (places.length / 2 ** 32))
    for (; places[place] !== 0; place = place + 1 === places.length ? 0 : place + 1) {
      if (!this.isSame(places[place]! - 1, bytes, start, end)) continue
      if (this.firstRepeated === NONE) this.firstRepeated = entry
      break
    }
    places[place] = entry + 1
  }

  /** The last entry that has an id, of a vocabulary that gives ids of its own. */
  private placeOfId(id: number): number {
    const places = this.placesById ?? this.placeIds()
    const ids = this.ids!
    for (let place = spread(id) % places.length; ; place = place + 1 === places.length ? 0 : place + 1) {
      const entry = places[place]! - 1
      if (entry === NONE || ids[entry] === id) return entry
    }
  }

  private placeIds(): Uint32Array {
    const ids = this.ids!
    const places = new Uint32Array(PLACES_EACH * this.count + 1)
    for (let entry = 0; entry < this.count; entry++) {
      let place = spread(ids[entry]!) % places.length
      while (places[place] !== 0 && ids[places[place]! - 1] !== ids[entry])
        place = place + 1 === places.length ? 0 : place + 1
      places[place] = entry + 1
    }
    this.placesById = places
    return places
  }
}

/** The vocab of BPE: ids by token, of which some may have been read already. Throws InvalidTokenizer. */
export function vocabularyOf(value: unknown): Vocabulary {
  const isRead = value instanceof PartlyRead
  const vocabulary = isRead ? value.table : new Vocabulary()
  const rest = isRead ? value.rest : value
  if (!(vocabulary instanceof Vocabulary) || !isPart(rest)) return fault("the model's vocab is no object")
  for (const [token, id] of Object.entries(rest)) {
    if (!Number.isSafeInteger(id) || (id as number) < 0) fault(`the vocab gives ${JSON.stringify(token)} no id`)
    if ((id as number) > MOST_ID)
      fault(`the vocab gives ${JSON.stringify(token)} the id ${id}, and ids end at ${MOST_ID}`)
    vocabulary.addText(token, id as number)
  }
  const { repeated } = vocabulary
  if (repeated !== undefined) throw new InvalidTokenizer(`tokenizer.json ${repeatedKey(repeated)}`)
  return vocabulary
}
