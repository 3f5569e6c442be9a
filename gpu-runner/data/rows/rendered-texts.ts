// A row's texts as they were tokenised, beside its tokens: the tokenisation tells them while it works, so that what is shown is what is
// learnt.
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
  const { result, texts } = told(policy, (telling) => tokenisation.tokenisePair(pair, telling))
  if (result._tag === "Dropped") return droppedAs(result)
  const rendered = textsOf(pair.prompt, [pair.chosen, pair.rejected], texts)
  const [prompt, chosen, rejected] = rendered as [string, string, string]
  const { promptIds, chosenIds, rejectedIds } = result
  const tokens = { prompt: [...promptIds], chosen: [...chosenIds], rejected: [...rejectedIds] }
  return { tokens, rendered: { prompt, chosen, rejected } }
}

/** Errors: InvalidTokenizer, PairOverLength. */
export function renderedResponse(tokenisation: Tokenisation, text: ResponseText, policy: TokenisationPolicy) {
  const { result, texts } = told(policy, (telling) => tokenisation.tokeniseResponse(text, telling))
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

function told<R extends { readonly _tag: string }>(
  policy: TokenisationPolicy,
  tokenise: (telling: TokenisationPolicy) => R,
): { readonly result: R | DroppedRefusal; readonly texts: readonly string[] } {
  const texts: string[] = []
  try {
    return { result: tokenise({ ...policy, onRendered: (text) => texts.push(text) }), texts }
  } catch (error) {
    if (!(error instanceof ChatTemplateRefused)) throw error
    return { result: { _tag: "Dropped", reason: "template-refused", detail: error.message }, texts }
  }
}

interface DroppedRefusal extends DroppedRendering {
  readonly _tag: "Dropped"
}

const droppedAs = ({ reason, detail }: DroppedText | DroppedRefusal): DroppedRendering => ({ reason, detail })
