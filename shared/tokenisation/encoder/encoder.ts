// A tokenizer.json at work: text to ids and back, the same ids as the Rust library gives (tokenizers 0.23; the differential
// test says how that is held). A part that is not computed here is refused by name when the tokenizer is loaded.
// Truncation and padding of the file are ignored, as transformers ignores them.
import { type AddedToken, AddedTokens } from "./added-tokens.ts"
import { type Decoder, decoderOf } from "./decoders.ts"
import type { Model } from "./model.ts"
import { modelOf } from "./models.ts"
import { checkKeepsStart, normaliserOf } from "./normalisers.ts"
import { type Surroundings, surroundingsOf } from "./post-processor.ts"
import { hasFirstScheme, type PreTokeniser, preTokeniserOf } from "./pre-tokenisers.ts"

export class Encoder {
  /** What the post-processor puts around a text. */
  readonly surroundings: Surroundings
  private readonly model: Model
  private readonly added: AddedTokens
  private readonly preTokenise: PreTokeniser | undefined
  private readonly decoder: Decoder | undefined

  /** Throws InvalidTokenizer. */
  constructor(tokenizer: Readonly<Record<string, unknown>>) {
    const normalise = normaliserOf(tokenizer.normalizer)
    this.model = modelOf(tokenizer.model)
    this.added = new AddedTokens(tokenizer.added_tokens, this.model, normalise)
    this.preTokenise = preTokeniserOf(tokenizer.pre_tokenizer)
    if (hasFirstScheme(tokenizer.pre_tokenizer)) checkKeepsStart(tokenizer.normalizer, this.added.hasNormalised)
    this.surroundings = surroundingsOf(tokenizer.post_processor)
    this.decoder = decoderOf(tokenizer.decoder)
  }

  /** One more than the largest id, since ids may have gaps. */
  get size(): number {
    let size = this.model.idEnd
    for (const { id } of this.added.all) size = Math.max(size, id + 1)
    return size
  }

  get addedTokens(): Iterable<AddedToken> {
    return this.added.all
  }

  idOf(token: string): number | undefined {
    return this.added.idOf(token) ?? this.model.idOf(token)
  }

  /** Ids of a text as it stands, with nothing around it. Half a surrogate pair counts as U+FFFD, which UTF-8 makes of it. */
  encode(text: string): number[] {
    const ids: number[] = []
    for (const section of this.added.extract(text.toWellFormed())) {
      if (typeof section === "number") ids.push(section)
      else {
        const pieces = this.preTokenise === undefined ? [section] : this.preTokenise([section])
        for (const piece of pieces) for (const id of this.model.encode(piece.text)) ids.push(id)
      }
    }
    return ids
  }

  /** Text of ids. Ids that stand for nothing are left out. */
  decode(ids: readonly number[], skipSpecialTokens: boolean): string {
    const tokens = ids
      .map((id) => this.added.textOf(id) ?? this.model.tokenOf(id))
      .filter((token) => token !== undefined && !(skipSpecialTokens && this.added.isSpecial(token)))
    return this.decoder === undefined ? tokens.join(" ") : this.decoder(tokens as string[]).join("")
  }
}
