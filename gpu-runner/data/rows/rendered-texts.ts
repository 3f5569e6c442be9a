// A row's texts as they were tokenised, beside its tokens. The tokenisation itself does the work; here its texts are overheard, so that
// what is shown is what is learnt.
import {
  ChatTemplateRefused,
  type DroppedText,
  type PairText,
  type ResponseText,
  type Tokenisation,
  type TokenisationPolicy,
} from "#shared/tokenisation/tokenisation.ts"

interface DroppedRendering {
  readonly reason: string
  readonly detail?: string | undefined
}

/** Errors: InvalidTokenizer, PairOverLength. */
export function renderedPair(tokenisation: Tokenisation, pair: PairText, policy: TokenisationPolicy) {
  const { result, texts } = overheard(tokenisation, (heard) => heard.tokenisePair(pair, policy))
  if (result._tag === "Dropped") return droppedAs(result)
  const rendered = textsOf(pair.prompt, [pair.chosen, pair.rejected], texts)
  const [prompt, chosen, rejected] = rendered as [string, string, string]
  const { promptIds, chosenIds, rejectedIds } = result
  const tokens = { prompt: [...promptIds], chosen: [...chosenIds], rejected: [...rejectedIds] }
  return { tokens, rendered: { prompt, chosen, rejected } }
}

/** Errors: InvalidTokenizer, PairOverLength. */
export function renderedResponse(tokenisation: Tokenisation, text: ResponseText, policy: TokenisationPolicy) {
  const { result, texts } = overheard(tokenisation, (heard) => heard.tokeniseResponse(text, policy))
  if (result._tag === "Dropped") return droppedAs(result)
  const [prompt, completion] = textsOf(text.prompt, [text.response], texts) as [string, string]
  const { promptIds, responseIds } = result
  return { tokens: { prompt: [...promptIds], completion: [...responseIds] }, rendered: { prompt, completion } }
}

/** Of messages, the template's text of the prompt and what follows it in the texts of the whole conversations. */
function textsOf(prompt: unknown, responses: readonly unknown[], texts: readonly string[]): readonly string[] {
  if (typeof prompt === "string") return [prompt, ...(responses as readonly string[])]
  const [before = "", ...wholes] = texts
  return [before, ...wholes.map((whole) => (whole.startsWith(before) ? whole.slice(before.length) : whole))]
}

function overheard<R extends { readonly _tag: string }>(
  tokenisation: Tokenisation,
  tokenise: (heard: Tokenisation) => R,
): { readonly result: R | DroppedRefusal; readonly texts: readonly string[] } {
  const texts: string[] = []
  const heard: Tokenisation = Object.create(tokenisation, {
    encode: {
      value: (text: string) => {
        texts.push(text)
        return tokenisation.encode(text)
      },
    },
  })
  try {
    return { result: tokenise(heard), texts }
  } catch (error) {
    if (!(error instanceof ChatTemplateRefused)) throw error
    return { result: { _tag: "Dropped", reason: "template-refused", detail: error.message }, texts }
  }
}

interface DroppedRefusal extends DroppedRendering {
  readonly _tag: "Dropped"
}

const droppedAs = ({ reason, detail }: DroppedText | DroppedRefusal): DroppedRendering => ({ reason, detail })
