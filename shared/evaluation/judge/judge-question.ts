// One question to a judge and its name: the digest of the judge, the parameters and the whole prompt, so that an answer is never taken for that
// to another question, and none is asked twice.
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { filledTemplate, type Message, type ShownPair } from "./prompt-template.ts"

/** Of a request beside model and messages. */
export interface JudgeParameters {
  /** Most tokens of an answer; reasoning models call it max_completion_tokens. */
  readonly max_tokens?: number
  readonly max_completion_tokens?: number
  readonly temperature?: number
  /** Whether the verdict is read from log-probs, of so many tokens. */
  readonly logprobs?: true
  readonly top_logprobs?: number
}

/** As AlpacaEval 2 asks: one token, and the likeliest ones beside it. */
export const JUDGE_PARAMETERS = {
  max_tokens: 1,
  temperature: 1,
  logprobs: true,
  top_logprobs: 5,
} as const satisfies JudgeParameters

export interface PairOfAnswers {
  readonly instruction: string
  readonly baseline: string
  readonly model: string
}

export interface JudgeQuestion {
  /** SHA-256, 64 hex digits. */
  readonly key: string
  /** Body of a request to /chat/completions. */
  readonly body: { readonly model: string; readonly messages: readonly Message[] } & JudgeParameters
  /** Whether the model's answer is shown first. */
  readonly isSwapped: boolean
  /** Of a question that is asked because the answer to another named no verdict: that one's key. */
  readonly after?: string
}

/** Whether the model's answer comes first where only one order is asked: for half of the instructions, whatever the answers are. */
export async function isModelFirst(instruction: string): Promise<boolean> {
  return Number.parseInt((await sha256Hex(`order of answers\n${instruction}`)).slice(0, 2), 16) >= 128
}

/** The question about a pair in the instruction's own order, or in the one that is told. */
export async function judgeQuestion(
  judge: string,
  template: readonly Message[],
  { instruction, baseline, model }: PairOfAnswers,
  parameters: JudgeParameters = JUDGE_PARAMETERS,
  order?: boolean,
): Promise<JudgeQuestion> {
  const isSwapped = order ?? (await isModelFirst(instruction))
  const shown: ShownPair = {
    instruction,
    output_1: isSwapped ? model : baseline,
    output_2: isSwapped ? baseline : model,
  }
  return named({ model: judge, messages: filledTemplate(template, shown), ...parameters }, isSwapped)
}

/** Asks to go on, behind an answer that ended without a verdict. */
export function followUpTo(
  { key, body, isSwapped }: JudgeQuestion,
  said: string,
  words: string,
): Promise<JudgeQuestion> {
  const messages: readonly Message[] = [
    ...body.messages,
    // Endpoints refuse an empty turn.
    { role: "assistant", content: said.trim() === "" ? "…" : said },
    { role: "user", content: words },
  ]
  return named({ ...body, messages }, isSwapped, key)
}

/** A question that is about no pair. */
export const questionOf = (body: JudgeQuestion["body"]): Promise<JudgeQuestion> => named(body, false)

async function named(body: JudgeQuestion["body"], isSwapped: boolean, after?: string): Promise<JudgeQuestion> {
  return { key: await sha256Hex(canonicalJson(body)), body, isSwapped, ...(after !== undefined && { after }) }
}
