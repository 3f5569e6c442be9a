// The Unigram model: of all ways to write a piece as tokens, the one with the highest sum of scores.
// Source: tokenizers 0.23, src/models/unigram/model.rs (encode_optimized, tokenize).
import { byteIds, idsOfBytes } from "./byte-token.ts"
import { countOf, fault, flagOf, type Part } from "./field.ts"
import type { Model } from "./model.ts"
import { type ScoredTokens, scoredTokensOf } from "./scored-tokens.ts"
import { hashByte, spread, type Vocabulary } from "./vocabulary.ts"

const UNKNOWN_PENALTY = 10
const NONE = -1

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true })

/** The best ways to write what ends at each byte of a piece. */
interface Steps {
  readonly ids: Int32Array
  readonly scores: Float64Array
  readonly starts: Int32Array
}

export class Unigram implements Model {
  private readonly tokens: ScoredTokens
  private readonly vocabulary: Vocabulary
  private readonly unknownId: number | undefined
  private readonly unknownScore: number
  private readonly idsOfBytes: readonly (number | undefined)[] | undefined

  constructor(part: Part) {
    this.tokens = scoredTokensOf(part.vocab)
    this.vocabulary = this.tokens.vocabulary
    this.unknownId = part.unk_id === null || part.unk_id === undefined ? undefined : countOf(part, "unk_id")
    if ((this.unknownId ?? NONE) >= this.size) fault("unk_id is outside the vocab")
    this.unknownScore = this.tokens.leastScore - UNKNOWN_PENALTY
    this.idsOfBytes = flagOf(part, "byte_fallback", false) ? idsOfBytes((token) => this.idOf(token)) : undefined
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

  encode(piece: string): number[] {
    const bytes = encoder.encode(piece)
    return this.split(bytes).flatMap(([start, end]) => {
      const entry = this.vocabulary.find(bytes, start, end)
      if (entry !== NONE) return [entry]
      const ofBytes = this.idsOfBytes && byteIds(bytes.subarray(start, end), this.idsOfBytes)
      return ofBytes ?? [this.unknownId ?? this.missingUnknown(bytes, start, end)]
    })
  }

  /** Where the texts of tokens stand in the piece, neighbouring unknown characters as one. */
  private split(bytes: Uint8Array): [start: number, end: number][] {
    const { ids, starts } = this.bestSteps(bytes)
    const texts: [number, number][] = []
    let unknownEnd: number | undefined
    for (let end = bytes.length; end > 0; end = starts[end]!) {
      if (ids[end] === this.unknownId) unknownEnd ??= end
      else {
        if (unknownEnd !== undefined) texts.push([end, unknownEnd])
        unknownEnd = undefined
        texts.push([starts[end]!, end])
      }
    }
    if (unknownEnd !== undefined) texts.push([0, unknownEnd])
    return texts.reverse()
  }

  private bestSteps(bytes: Uint8Array): Steps {
    const { vocabulary } = this
    const steps: Steps = {
      ids: new Int32Array(bytes.length + 1).fill(NONE),
      scores: new Float64Array(bytes.length + 1),
      starts: new Int32Array(bytes.length + 1),
    }
    for (let start = 0, width = 0; start < bytes.length; start += width) {
      width = widthAt(bytes, start)
      const before = steps.scores[start]!
      const last = Math.min(bytes.length, start + vocabulary.longestBytes)
      let hash = vocabulary.seed
      let isCharacterKnown = false
      for (let end = start + 1; end <= last; end++) {
        hash = hashByte(hash, bytes[end - 1]!)
        if (isInside(bytes[end])) continue
        const entry = vocabulary.findHashed(spread(hash), bytes, start, end)
        if (entry === NONE) continue
        if (end === start + width) isCharacterKnown = true
        offer(steps, end, entry, this.tokens.scoreOf(entry) + before, start)
      }
      if (!isCharacterKnown) {
        const id = this.unknownId ?? this.missingUnknown(bytes, start, start + width)
        offer(steps, start + width, id, this.unknownScore + before, start)
      }
    }
    return steps
  }

  private missingUnknown(bytes: Uint8Array, start: number, end: number): never {
    const text = decoder.decode(bytes.subarray(start, end))
    return fault(`the vocab has no token for ${JSON.stringify(text)}, and no unk_id`)
  }
}

function offer({ ids, scores, starts }: Steps, end: number, id: number, score: number, start: number): void {
  if (ids[end] !== NONE && score <= scores[end]!) return
  ids[end] = id
  scores[end] = score
  starts[end] = start
}

/** Whether a byte of UTF-8 goes on with the character of the byte before it. */
const isInside = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** How many bytes the character has that begins here. */
function widthAt(bytes: Uint8Array, start: number): number {
  let end = start + 1
  while (isInside(bytes[end])) end++
  return end - start
}
