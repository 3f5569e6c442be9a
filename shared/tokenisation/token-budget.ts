// One token budget for a prompt and all its responses. Only responses are cut, at their end; a prompt is never cut.

export interface TokenisationPolicy {
  /** budget for prompt + response, the same for every response, in tokens */
  readonly maxLength: number
  /** default "drop" */
  readonly overflow?: "drop" | "truncate" | "error" | undefined
  /** score the generation header with the response, as the paper's authors do; default false: it belongs to the prompt */
  readonly responseIncludesHeader?: boolean | undefined
  /** variables of the chat template's own, such as enable_thinking */
  readonly chatTemplateOptions?: Readonly<Record<string, string | number | boolean>> | undefined
  /** Told every text of a conversation that the template gave, before it is tokenised. */
  readonly onRendered?: ((text: string) => void) | undefined
}

/** Overflow policy "error": the row does not fit the budget. */
export class PairOverLength extends Error {
  readonly _tag = "PairOverLength"
}

/** The responses within the budget, or undefined when the row is to be dropped. Throws PairOverLength (policy "error"). */
export function fitBudget(
  prompt: readonly number[],
  responses: readonly (readonly number[])[],
  { maxLength, overflow }: TokenisationPolicy,
): { readonly responses: readonly (readonly number[])[]; readonly truncated: boolean } | undefined {
  const longest = prompt.length + responses.reduce((most, { length }) => Math.max(most, length), 0)
  if (longest <= maxLength) return { responses, truncated: false }
  if (overflow === "error") {
    throw new PairOverLength(
      `the pair needs ${longest} tokens, over maxLength ${maxLength}; raise maxLength, or set overflow to drop or truncate`,
    )
  }
  const room = maxLength - prompt.length
  if (overflow !== "truncate" || room < 1) return undefined
  return { responses: responses.map((response) => response.slice(0, room)), truncated: true }
}
