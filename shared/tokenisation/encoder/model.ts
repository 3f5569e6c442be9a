// What a tokenizer's model does: which ids a piece has.

export interface Model {
  /** How many tokens the vocabulary has. */
  readonly size: number
  /** One more than the largest id, since ids may have gaps. */
  readonly idEnd: number
  idOf(token: string): number | undefined
  tokenOf(id: number): string | undefined
  /** Ids of a piece that is not empty. Throws InvalidTokenizer where the vocabulary has no token for unknown characters. */
  encode(piece: string): readonly number[]
}
