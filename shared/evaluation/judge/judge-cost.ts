// What questions to a judge cost, in tokens and in money. Before a request nobody knows its tokens; a token is never less than a byte of text, so
// that the bytes are a bound that holds for every tokenizer.
import type { JudgeQuestion } from "./judge-question.ts"

export interface JudgeTokens {
  readonly prompt: number
  readonly completion: number
}

/** Of a million tokens, in any currency. */
export interface JudgePrice {
  readonly prompt: number
  readonly completion: number
}

export const NO_TOKENS: JudgeTokens = { prompt: 0, completion: 0 }

/** What a chat template puts around a message, and around them all: generously. */
const TOKENS_AROUND_MESSAGE = 16
const TOKENS_AROUND_PROMPT = 64
/** Of English text under usual tokenizers. */
const USUAL_BYTES_PER_TOKEN = 4

/** No tokenizer makes more of a question. */
export function mostTokens({ body }: Pick<JudgeQuestion, "body">): JudgeTokens {
  const prompt = body.messages.reduce(
    (sum, { content }) => sum + new TextEncoder().encode(content).length + TOKENS_AROUND_MESSAGE,
    TOKENS_AROUND_PROMPT,
  )
  return { prompt, completion: body.max_completion_tokens ?? body.max_tokens ?? 0 }
}

/** What questions usually take, to be told beforehand. */
export function usualTokens(questions: readonly JudgeQuestion[]): JudgeTokens {
  return questions.map(mostTokens).reduce(
    (sum, { prompt, completion }) => ({
      prompt: sum.prompt + Math.round(prompt / USUAL_BYTES_PER_TOKEN),
      completion: sum.completion + completion,
    }),
    NO_TOKENS,
  )
}

export function addTokens(one: JudgeTokens, other: JudgeTokens, sign: 1 | -1 = 1): JudgeTokens {
  return { prompt: one.prompt + sign * other.prompt, completion: one.completion + sign * other.completion }
}

export function costOf({ prompt, completion }: JudgeTokens, price: JudgePrice): number {
  return (prompt * price.prompt + completion * price.completion) / 1e6
}
