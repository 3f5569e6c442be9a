// One question to a judge and its name: the digest of the judge, the parameters and the whole prompt, so that an answer is never taken for that
// to another question, and none is asked twice.
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { filledTemplate, type Message, type ShownPair } from "./prompt-template.ts"

/** As AlpacaEval 2 asks: one token, and the likeliest ones beside it. */
export const JUDGE_PARAMETERS = { max_tokens: 1, temperature: 1, logprobs: true, top_logprobs: 5 } as const

export interface PairOfAnswers {
  readonly instruction: string
  readonly baseline: string
  readonly model: string
}

export interface JudgeQuestion {
  /** SHA-256, 64 hex digits. */
  readonly key: string
  /** Body of a request to /chat/completions. */
  readonly body: { readonly model: string; readonly messages: readonly Message[] } & typeof JUDGE_PARAMETERS
  /** Whether the model's answer is shown first. */
  readonly isSwapped: boolean
}

/** The question about a pair. Which answer comes first is half chance, and fixed for an instruction, whatever the answers are. */
export async function judgeQuestion(
  judge: string,
  template: readonly Message[],
  { instruction, baseline, model }: PairOfAnswers,
): Promise<JudgeQuestion> {
  const isSwapped = Number.parseInt((await sha256Hex(`order of answers\n${instruction}`)).slice(0, 2), 16) >= 128
  const shown: ShownPair = {
    instruction,
    output_1: isSwapped ? model : baseline,
    output_2: isSwapped ? baseline : model,
  }
  const body = { model: judge, messages: filledTemplate(template, shown), ...JUDGE_PARAMETERS }
  return { key: await sha256Hex(canonicalJson(body)), body, isSwapped }
}
