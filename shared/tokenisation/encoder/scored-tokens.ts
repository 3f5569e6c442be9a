// The vocab of Unigram: tokens with their scores, in the order of their ids.
import { fault } from "./field.ts"
import { withRoom } from "./growing.ts"
import { PartlyRead, Vocabulary } from "./vocabulary.ts"

export class ScoredTokens {
  readonly vocabulary = new Vocabulary()
  private scores = new Float64Array(0)
  private least = Number.POSITIVE_INFINITY

  /** Of a token that was just added to the vocabulary. */
  score(score: number): void {
    const count = this.vocabulary.size
    this.scores = withRoom(this.scores, count)
    this.scores[count - 1] = score
    this.least = Math.min(this.least, score)
  }

  get leastScore(): number {
    return this.least
  }

  scoreOf(id: number): number {
    return this.scores[id]!
  }

  /** Gives back what was held for more tokens. */
  complete(): this {
    this.scores = this.scores.slice(0, this.vocabulary.size)
    return this
  }
}

const isScored = (each: unknown): each is [string, number] =>
  Array.isArray(each) && each.length === 2 && typeof each[0] === "string" && typeof each[1] === "number"

/** Tokens and scores, of which the first may have been read already. Throws InvalidTokenizer. */
export function scoredTokensOf(value: unknown): ScoredTokens {
  const isRead = value instanceof PartlyRead
  const tokens = isRead ? value.table : new ScoredTokens()
  const rest: unknown = isRead ? value.rest : value
  if (!(tokens instanceof ScoredTokens && Array.isArray(rest) && rest.every(isScored))) {
    return fault("the Unigram vocab is no list of tokens and scores")
  }
  for (const [token, score] of rest) {
    tokens.vocabulary.addText(token, tokens.vocabulary.size)
    tokens.score(score)
  }
  return tokens.complete()
}
