// Which of two answers a tuned model prefers by its own reward: both are scored under it and under the model it was tuned from, in f32, so that the same
// files say the same to the bit. Nobody is asked, and no network is needed.
import { responseLogProb } from "#gpu-runner/data/rows/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { JudgedResponse } from "#shared/evaluation/judge/implicit-reward.ts"
import type { Text } from "#shared/judgement/Comparison.ts"
import type { Message, Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { type ScoringModel, scoreGroups } from "./scorer.ts"

/** Two answers to one prompt: a text as it stands, or turns for the chat template. An answer in words to a prompt in turns is one turn. */
export interface AnswersToJudge {
  readonly prompt: Text
  readonly model: Text
  readonly baseline: Text
  readonly tools?: readonly unknown[] | undefined
}

export interface JudgedAnswers {
  readonly model: JudgedResponse
  readonly baseline: JudgedResponse
}

/** As token rows, the model's answer in the place of the chosen one; the reason where a pair has no log-probs: it is too long, or an answer is empty. */
export function rowsToJudge(
  tokenisation: Tokenisation,
  maxPositions: number,
  pairs: readonly AnswersToJudge[],
): readonly (TokenRow | { readonly unscored: string })[] {
  const turns = (text: Text): readonly Message[] =>
    typeof text === "string" ? [{ role: "assistant", content: text }] : text
  return pairs.map(({ prompt, model, baseline, tools }, index) => {
    const text =
      typeof prompt === "string"
        ? { prompt, chosen: wordsOf(model), rejected: wordsOf(baseline) }
        : { prompt, chosen: turns(model), rejected: turns(baseline), tools }
    const tokenised = tokenisation.tokenisePair(text, { maxLength: maxPositions, overflow: "drop" })
    if (tokenised._tag === "Dropped") return { unscored: tokenised.detail ?? tokenised.reason }
    const { promptIds, chosenIds, rejectedIds } = tokenised
    return { id: `${index}`, promptIds, chosenIds, rejectedIds, weight: 1 }
  })
}

const wordsOf = (text: Text) => (typeof text === "string" ? text : text.map(({ content }) => content).join(""))

/** Rows under the judge, in their order. Without an adapter the model's own log-probs are all there is. Errors: ModelTooLarge. */
export async function judgeRows(
  gpu: GpuDevice,
  judge: Omit<ScoringModel, "precision">,
  rows: readonly TokenRow[],
  signal?: AbortSignal,
): Promise<JudgedAnswers[]> {
  const policy = await sumsOf(gpu, judge, rows, signal)
  const reference = judge.adapter && (await sumsOf(gpu, { ...judge, adapter: undefined }, rows, signal))
  return policy.map(({ model, baseline }, index) => ({
    model: { policy: model, reference: reference?.[index]?.model },
    baseline: { policy: baseline, reference: reference?.[index]?.baseline },
  }))
}

async function sumsOf(
  gpu: GpuDevice,
  judge: Omit<ScoringModel, "precision">,
  rows: readonly TokenRow[],
  signal: AbortSignal | undefined,
) {
  const sums: { readonly model: JudgedResponse["policy"]; readonly baseline: JudgedResponse["policy"] }[] = []
  if (rows.length === 0) return sums
  for await (const { scores } of scoreGroups(gpu, { ...judge, precision: "f32" }, rows, signal)) {
    for (const { chosen, rejected } of scores) {
      sums.push({ model: responseLogProb(chosen), baseline: responseLogProb(rejected) })
    }
  }
  return sums
}
