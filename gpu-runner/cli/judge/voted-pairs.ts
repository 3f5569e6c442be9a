// Pairs that people compared, from a data file in any accepted shape, as a judge is shown them: which answer is called the first is half chance and fixed for
// a pair, and the same two answers are one pair with a vote a row.
import { PreferenceFile } from "#gpu-runner/data/rows/preference-file.ts"
import type { AnswersToJudge } from "#gpu-runner/trainer/results/reward-judge.ts"
import type { NamedPair } from "#shared/evaluation/judge/answer-file.ts"
import { isModelFirst } from "#shared/evaluation/judge/judge-question.ts"
import { shownTurns } from "#shared/evaluation/judge/prompt-set.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import { type Terminal, UsageError } from "../command.ts"
import { describeDropped } from "../dropped-rows.ts"

/** `baseline` is the first answer, `model` the second. */
export interface VotedAnswers extends NamedPair {
  /** 0 for the first answer, 1 for the second. */
  readonly votes: readonly number[]
  /** As they stand in the file, for a judge that reads turns. */
  readonly texts: Pick<AnswersToJudge, "prompt" | "baseline" | "model" | "tools">
}

type Voting = Omit<VotedAnswers, "votes"> & { readonly votes: number[] }

/** Errors: UsageError where the file holds no pair, InvalidDataFile. */
export async function readVotedAnswers(source: string, { tell }: Pick<Terminal, "tell">): Promise<VotedAnswers[]> {
  const file = new PreferenceFile(source, {})
  const pairs = new Map<string, Voting>()
  for await (const { stated } of file.records(false)) {
    if ("supervised" in stated) continue
    for (const row of stated.pairs) {
      const { id, prompt, chosen, rejected } = row
      const instruction = shown(prompt)
      const [one, other] = [shown(chosen), shown(rejected)].sort()
      const key = JSON.stringify([instruction, one, other])
      const isTurned = await isModelFirst(key)
      const [first, second] = isTurned ? [other!, one!] : [one!, other!]
      const isSecond = shown(chosen) === second
      const [baseline, model] = isSecond ? [rejected, chosen] : [chosen, rejected]
      const texts = { prompt, baseline, model, ...("tools" in row && { tools: row.tools }) }
      const pair: Voting = pairs.get(key) ?? { id, instruction, baseline: first, model: second, votes: [], texts }
      pair.votes.push(isSecond ? 1 : 0)
      pairs.set(key, pair)
    }
  }
  file.check()
  if (file.badRows.length > 0) tell(describeDropped(source, file.badRows))
  if (pairs.size === 0) throw new UsageError(`--data ${source} holds no pair that people compared`)
  return [...pairs.values()]
}

const shown = (text: Text) => (typeof text === "string" ? text : shownTurns(text))
