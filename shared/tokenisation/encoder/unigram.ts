// The Unigram model: of all ways to write a piece as tokens, the one with the highest sum of scores.
// Source: tokenizers 0.23, src/models/unigram/model.rs (encode_optimized, tokenize).
import { byteIds } from "./byte-token.ts"
import { countOf, fault, flagOf, type Part } from "./field.ts"
import type { Model } from "./model.ts"

const UNKNOWN_PENALTY = 10

/** The best way to write what ends at a position. */
interface Step {
  readonly id: number
  readonly score: number
  readonly start: number
}

export class Unigram implements Model {
  private readonly tokens: readonly string[]
  private readonly scores: readonly number[]
  private readonly ids: ReadonlyMap<string, number>
  private readonly longest: number
  private readonly unknownId: number | undefined
  private readonly unknownScore: number
  private readonly hasByteFallback: boolean

  constructor(part: Part) {
    const vocab = scoredTokens(part.vocab)
    this.tokens = vocab.map(([token]) => token)
    this.scores = vocab.map(([, score]) => score)
    this.ids = new Map(this.tokens.map((token, id) => [token, id]))
    this.longest = this.tokens.reduce((most, { length }) => Math.max(most, length), 0)
    this.unknownId = part.unk_id === null || part.unk_id === undefined ? undefined : countOf(part, "unk_id")
    if ((this.unknownId ?? -1) >= vocab.length) fault("unk_id is outside the vocab")
    const leastScore = this.scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY)
    this.unknownScore = leastScore - UNKNOWN_PENALTY
    this.hasByteFallback = flagOf(part, "byte_fallback", false)
  }

  get size(): number {
    return this.tokens.length
  }

  get vocabulary(): Iterable<readonly [string, number]> {
    return this.ids
  }

  idOf(token: string): number | undefined {
    return this.ids.get(token)
  }

  tokenOf(id: number): string | undefined {
    return this.tokens[id]
  }

  encode(piece: string): number[] {
    return this.split(piece).flatMap((text) => {
      const id = this.ids.get(text)
      if (id !== undefined) return [id]
      const bytes = this.hasByteFallback ? byteIds(text, (token) => this.ids.get(token)) : undefined
      return bytes ?? [this.unknownId ?? this.missingUnknown(text)]
    })
  }

  /** The piece as texts of tokens, neighbouring unknown characters as one. */
  private split(piece: string): string[] {
    const steps = this.bestSteps(piece)
    const texts: string[] = []
    let unknownEnd: number | undefined
    for (let end = piece.length; end > 0; ) {
      const { id, start } = steps[end]!
      if (id === this.unknownId) unknownEnd ??= end
      else {
        if (unknownEnd !== undefined) texts.push(piece.slice(end, unknownEnd))
        unknownEnd = undefined
        texts.push(piece.slice(start, end))
      }
      end = start
    }
    if (unknownEnd !== undefined) texts.push(piece.slice(0, unknownEnd))
    return texts.reverse()
  }

  private bestSteps(piece: string): (Step | undefined)[] {
    const steps: (Step | undefined)[] = new Array(piece.length + 1)
    const offer = (end: number, id: number, score: number, start: number) => {
      const known = steps[end]
      if (known === undefined || score > known.score) steps[end] = { id, score, start }
    }
    for (let start = 0, width = 0; start < piece.length; start += width) {
      width = (piece.codePointAt(start) ?? 0) > 0xffff ? 2 : 1
      const before = steps[start]?.score ?? 0
      const last = Math.min(piece.length, start + this.longest)
      for (let end = start + width; end <= last; end++) {
        const id = this.ids.get(piece.slice(start, end))
        if (id !== undefined) offer(end, id, this.scores[id]! + before, start)
      }
      if (!this.ids.has(piece.slice(start, start + width))) {
        const id = this.unknownId ?? this.missingUnknown(piece.slice(start, start + width))
        offer(start + width, id, this.unknownScore + before, start)
      }
    }
    return steps
  }

  private missingUnknown(text: string): never {
    return fault(`the vocab has no token for ${JSON.stringify(text)}, and no unk_id`)
  }
}

function scoredTokens(value: unknown): [string, number][] {
  const isScored = (each: unknown): each is [string, number] =>
    Array.isArray(each) && each.length === 2 && typeof each[0] === "string" && typeof each[1] === "number"
  return Array.isArray(value) && value.every(isScored)
    ? value
    : fault("the Unigram vocab is no list of tokens and scores")
}
