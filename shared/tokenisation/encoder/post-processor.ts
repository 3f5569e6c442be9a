// The ids that a tokenizer puts around a text. Source: tokenizers 0.23, src/processors.
import { fault, isPart, type Part, partOf, partsOf, refuse } from "./field.ts"

export interface Surroundings {
  readonly before: readonly number[]
  readonly after: readonly number[]
}

const NOTHING: Surroundings = { before: [], after: [] }

/** What the post-processor of tokenizer.json puts around one text. Throws InvalidTokenizer, naming a part that is not known. */
export function surroundingsOf(value: unknown): Surroundings {
  const part = partOf(value, "post_processor")
  return part === undefined ? NOTHING : build(part)
}

function build(part: Part): Surroundings {
  switch (part.type) {
    case "ByteLevel":
      // It changes offsets only.
      return NOTHING
    case "Sequence": {
      const adding = partsOf(part.processors, "processors")
        .map(build)
        .filter(({ before, after }) => before.length + after.length > 0)
      // The library takes what a first one adds for texts of their own.
      if (adding.length > 1) refuse("several post-processors that add tokens, one after the other")
      return adding[0] ?? NOTHING
    }
    case "TemplateProcessing":
      return template(part)
    case "BertProcessing":
    case "RobertaProcessing":
      return { before: [idOfPair(part, "cls")], after: [idOfPair(part, "sep")] }
    default:
      return refuse(`the post_processor ${part.type}`)
  }
}

function idOfPair(part: Part, name: string): number {
  const pair = part[name]
  const id: unknown = Array.isArray(pair) ? pair[1] : undefined
  return Number.isSafeInteger(id) ? (id as number) : fault(`${name} of ${part.type} has no id`)
}

function template(part: Part): Surroundings {
  const { single, special_tokens: tokens } = part
  if (!Array.isArray(single) || !single.every(isPart)) return fault("TemplateProcessing has no single")
  const at = single.findIndex((piece) => "Sequence" in piece)
  if (at < 0 || single.some((piece, index) => index !== at && "Sequence" in piece)) {
    return refuse("a TemplateProcessing that does not name its text once")
  }
  const ids = (pieces: readonly Part[]) => pieces.flatMap((piece) => idsOf(piece, tokens))
  return { before: ids(single.slice(0, at)), after: ids(single.slice(at + 1)) }
}

function idsOf(piece: Part, tokens: unknown): number[] {
  const name = isPart(piece.SpecialToken) ? piece.SpecialToken.id : undefined
  const token = typeof name === "string" && isPart(tokens) ? tokens[name] : undefined
  const ids = isPart(token) ? token.ids : undefined
  if (Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id))) return ids
  return fault(`TemplateProcessing gives ${JSON.stringify(name)} no ids`)
}
