// Reads tokenizer.json as its bytes come. Vocabulary and merges, nearly all of a large one, go straight into tables; what is left is
// an ordinary small JSON text. Never held: the file's bytes, its text, or a JavaScript value for each token.
import { withRoom } from "./encoder/growing.ts"
import { MergeTable } from "./encoder/merge-table.ts"
import { ScoredTokens } from "./encoder/scored-tokens.ts"
import { type TokenizerSize, TokenizerTooLarge, tokenizerBytes } from "./encoder/tokenizer-memory.ts"
import { PartlyRead, Vocabulary } from "./encoder/vocabulary.ts"
import { InvalidTokenizer } from "./invalid-tokenizer.ts"
import { parseObject } from "./tokenizer-files.ts"
import {
  BYTE,
  LEFT,
  NEEDS_MORE,
  notJson,
  skipSpace,
  type TakeMember,
  takeEntry,
  takeMerge,
  takeScored,
} from "./tokenizer-members.ts"

/** Of one token with its id, or one merge. */
const MAX_MEMBER_BYTES = 1_000_000
/** Keys that are looked for are shorter. */
const MAX_KEY_BYTES = 64

/** A list or object whose members are taken. */
interface Region {
  readonly take: TakeMember
  readonly closing: number
  /** before a member, or after one */
  expects: "first" | "member" | "comma"
  hasLeft: boolean
}

/** A tokenizer.json as the encoder takes it: fields of JSON, but for `vocab` and `merges` of its model. */
export type TokenizerFields = Readonly<Record<string, unknown>>

export class TokenizerReader {
  private readonly limitBytes: number
  /** the file without the members that were taken */
  private left = new Uint8Array(0)
  private leftBytes = 0
  /** bytes of a member that is not whole yet */
  private pending: Uint8Array = new Uint8Array(0)
  private region: Region | undefined
  private vocab: Vocabulary | ScoredTokens | undefined
  private merges: MergeTable | undefined
  // Where the reader stands in what is left.
  private depth = 0
  private isInString = false
  private isEscaped = false
  private isInModel = false
  private stringStart = 0
  private stringEnd = 0
  private key: string | undefined

  /** `limitBytes`: of memory that the tokenizer may take; none where it is not given. */
  constructor(limitBytes = Number.POSITIVE_INFINITY) {
    this.limitBytes = limitBytes
  }

  get size(): TokenizerSize {
    const vocabulary = this.vocab instanceof ScoredTokens ? this.vocab.vocabulary : this.vocab
    return {
      tokens: vocabulary?.size ?? 0,
      scores: this.vocab instanceof ScoredTokens ? this.vocab.vocabulary.size : 0,
      hasOwnIds: vocabulary?.hasOwnIds ?? false,
      tokenBytes: vocabulary?.tokenBytes ?? 0,
      merges: this.merges?.size ?? 0,
      otherBytes: this.leftBytes,
    }
  }

  /** The next bytes of the file. Throws InvalidTokenizer or TokenizerTooLarge; the reader is of no use then. */
  push(chunk: Uint8Array): void {
    const bytes = this.pending.length === 0 ? chunk : joined(this.pending, chunk)
    let at = 0
    while (at < bytes.length) {
      if (this.region === undefined) at = this.readOutside(bytes, at)
      else {
        at = this.readRegion(this.region, bytes, at)
        if (this.region !== undefined) break
      }
    }
    this.pending = bytes.slice(at)
    if (this.pending.length > MAX_MEMBER_BYTES) {
      throw new InvalidTokenizer(
        `a token or merge of tokenizer.json has more than ${MAX_MEMBER_BYTES} bytes; correct it`,
      )
    }
    const takenBytes = tokenizerBytes(this.size)
    if (takenBytes > this.limitBytes) throw new TokenizerTooLarge(this.size, takenBytes, this.limitBytes)
  }

  /** After the last bytes. Throws InvalidTokenizer. */
  end(): TokenizerFields {
    if (this.region !== undefined) throw notJson()
    const fields = parseObject(textOf(this.left.subarray(0, this.leftBytes)), "tokenizer.json")
    const model = fields.model as Readonly<Record<string, unknown>>
    if (this.vocab === undefined) return fields
    const vocab = new PartlyRead(this.vocab, model.vocab)
    const merges = this.merges === undefined ? model.merges : new PartlyRead(this.merges, model.merges)
    return { ...fields, model: { ...model, vocab, merges } }
  }

  /** Reads on until a region begins. */
  private readOutside(bytes: Uint8Array, from: number): number {
    this.left = withRoom(this.left, this.leftBytes + bytes.length - from)
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!
      this.left[this.leftBytes++] = byte
      if (this.isInString) this.readInString(byte)
      else if (byte === BYTE.quote) {
        this.isInString = true
        this.stringStart = this.leftBytes - 1
      } else if (byte === BYTE.colon && (this.depth === 1 || (this.depth === 2 && this.isInModel))) this.readKey()
      else if (byte === BYTE.openObject || byte === BYTE.openList) {
        this.region = this.regionAt(byte)
        if (this.region !== undefined) return at + 1
        this.depth++
        if (this.depth === 2) this.isInModel = byte === BYTE.openObject && this.key === "model"
      } else if (byte === BYTE.closeObject || byte === BYTE.closeList) this.depth--
    }
    return bytes.length
  }

  private readInString(byte: number): void {
    if (this.isEscaped) this.isEscaped = false
    else if (byte === BYTE.backslash) this.isEscaped = true
    else if (byte === BYTE.quote) {
      this.isInString = false
      this.stringEnd = this.leftBytes
    }
  }

  private readKey(): void {
    this.key = undefined
    if (this.stringEnd - this.stringStart > MAX_KEY_BYTES) return
    try {
      this.key = JSON.parse(textOf(this.left.subarray(this.stringStart, this.stringEnd))) as string
    } catch {
      // Then neither is the whole file JSON, which is said when its end is reached.
    }
  }

  private regionAt(opening: number): Region | undefined {
    const take = this.depth === 2 && this.isInModel ? this.takeAt(opening) : undefined
    // In ASCII, the closing bracket is two after the opening one.
    return take && { take, closing: opening + 2, expects: "first", hasLeft: false }
  }

  private takeAt(opening: number): TakeMember | undefined {
    if (this.key === "vocab" && opening === BYTE.openObject) {
      this.vocab = new Vocabulary()
      return takeEntry(this.vocab)
    }
    if (this.key === "vocab") {
      this.vocab = new ScoredTokens()
      return takeScored(this.vocab)
    }
    // Merges are named by tokens: before the vocabulary is known they stay as they are.
    if (this.key !== "merges" || opening !== BYTE.openList || !(this.vocab instanceof Vocabulary)) return undefined
    this.merges = new MergeTable()
    return takeMerge(this.merges, this.vocab)
  }

  /** Reads on until the region ends, or until a member is not whole: then the region is still open. */
  private readRegion(region: Region, bytes: Uint8Array, from: number): number {
    const { take, closing } = region
    const end = bytes.length
    let at = skipSpace(bytes, from, end)
    for (; at < end; at = skipSpace(bytes, at, end)) {
      const byte = bytes[at]!
      if (byte === closing && region.expects !== "member") {
        this.leave(bytes, at, at + 1)
        this.region = undefined
        return at + 1
      }
      if (region.expects === "comma") {
        if (byte !== BYTE.comma) throw notJson()
        region.expects = "member"
        at++
        continue
      }
      let next = take(bytes, at, end)
      if (next === LEFT) {
        next = endOfMember(bytes, at, end)
        if (next === at) throw notJson()
        if (next !== NEEDS_MORE) this.leaveMember(region, bytes, at, next)
      }
      if (next === NEEDS_MORE) return at
      region.expects = "comma"
      at = next
    }
    return at
  }

  private leaveMember(region: Region, bytes: Uint8Array, at: number, end: number): void {
    if (region.hasLeft) this.leave(COMMA, 0, 1)
    region.hasLeft = true
    this.leave(bytes, at, end)
  }

  private leave(bytes: Uint8Array, at: number, end: number): void {
    this.left = withRoom(this.left, this.leftBytes + end - at)
    this.left.set(bytes.subarray(at, end), this.leftBytes)
    this.leftBytes += end - at
  }
}

const COMMA = Uint8Array.of(BYTE.comma)

/** Where a member of any kind ends: at a comma or a closing bracket that is not inside it. */
function endOfMember(bytes: Uint8Array, from: number, end: number): number {
  let depth = 0
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!
    if (byte === BYTE.quote) {
      for (at++; at < end && bytes[at] !== BYTE.quote; at++) if (bytes[at] === BYTE.backslash) at++
    } else if (byte === BYTE.openObject || byte === BYTE.openList) depth++
    else if (depth === 0 && (byte === BYTE.comma || byte === BYTE.closeObject || byte === BYTE.closeList)) return at
    else if (byte === BYTE.closeObject || byte === BYTE.closeList) depth--
  }
  return NEEDS_MORE
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length)
  bytes.set(first)
  bytes.set(second, first.length)
  return bytes
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw notJson()
  }
}

/** A tokenizer.json from its bytes, its text, or its value. Throws InvalidTokenizer. */
export function readTokenizer(tokenizer: Uint8Array | unknown): TokenizerFields {
  if (typeof tokenizer !== "string" && !(tokenizer instanceof Uint8Array))
    return parseObject(tokenizer, "tokenizer.json")
  const reader = new TokenizerReader()
  reader.push(typeof tokenizer === "string" ? new TextEncoder().encode(tokenizer) : tokenizer)
  return reader.end()
}
