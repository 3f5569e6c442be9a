// The ways in which a judge is asked about two answers: which orders are shown, with which parameters and words, and how an answer is read. Numbers of
// two protocols do not compare, so every report says which it was.
import { preferenceOf } from "../alpaca-eval/annotation.ts"
import { playOf, type ReadVerdict, readVerdictOfV2, readVerdictOfV01, type Verdict } from "../arena-hard/verdict.ts"
import type { JudgeAnswer } from "./judge-answer.ts"
import { isModelFirst, JUDGE_PARAMETERS, type JudgeParameters } from "./judge-question.ts"
import { readPairwiseVerdict, SHARE_OF_FIRST } from "./pairwise-text.ts"
import { DEFAULT_TEMPLATE, FIVE_LABELS_TEMPLATE, type Message, PAIRWISE_TEMPLATE } from "./prompt-template.ts"

/** Of judges that are asked in words of ours. */
export const ASKED_PROTOCOL_NAMES = ["log-probs", "text", "arena-hard-0.1", "arena-hard-2"] as const
/** And of those that compute a number. */
export const PROTOCOL_NAMES = [...ASKED_PROTOCOL_NAMES, "implicit-reward", "reward-model"] as const
export type ProtocolName = (typeof PROTOCOL_NAMES)[number]

/** What an answer says. */
export interface ReadAnswer {
  /** How far the answer that was shown first is preferred, from 0 to 1; undefined: no verdict. */
  readonly shareOfFirst: number | undefined
  /** The label, where the protocol counts labels. */
  readonly label?: Verdict | undefined
  /** It holds no label at all, so that the judge may be asked to go on. */
  readonly endedWithout?: true
}

export interface JudgeProtocol {
  readonly name: ProtocolName
  readonly parameters: JudgeParameters
  /** Our own words. */
  readonly template: readonly Message[]
  /** Whether the model's answer is shown first, one entry a question about a pair. */
  readonly orders: (instruction: string) => Promise<readonly boolean[]>
  readonly read: (answer: JudgeAnswer) => ReadAnswer
  /** What is said to a judge that ended without a verdict, once; undefined: such an answer stays what it is. */
  readonly goOn?: string
}

const bothOrders = async () => [false, true]

/** AlpacaEval 2: one token in one order, and its log-probs. */
const logProbs: JudgeProtocol = {
  name: "log-probs",
  parameters: JUDGE_PARAMETERS,
  template: DEFAULT_TEMPLATE,
  orders: async (instruction) => [await isModelFirst(instruction)],
  read: ({ verdict }) => {
    const preference = verdict && preferenceOf({ ...verdict, isSwapped: true })
    return { shareOfFirst: preference === undefined ? undefined : preference - 1 }
  },
}

/** In words, and in both orders: a judge that goes by the place contradicts itself, which is a tie. */
const inWords: JudgeProtocol = {
  name: "text",
  parameters: { max_tokens: 64, temperature: 0 },
  template: PAIRWISE_TEMPLATE,
  orders: bothOrders,
  read: ({ text }) => {
    const verdict = readPairwiseVerdict(text)
    return verdict === undefined
      ? { shareOfFirst: undefined, endedWithout: true }
      : { shareOfFirst: SHARE_OF_FIRST[verdict] }
  },
  goOn: "Go on from there, and end with your verdict: [[A]], [[B]] or [[C]].",
}

/** The first answer is A in both games, whosever it is: the share of a game is the model's where it was shown first. */
const ofLabel = (read: ReadVerdict): ReadAnswer =>
  read.verdict === undefined
    ? { shareOfFirst: undefined, ...(read.reason === "none" && { endedWithout: true }) }
    : { shareOfFirst: playOf(read.verdict, 1).score, label: read.verdict }

/** v0.1: two games, and one word more to a judge that named no label. */
const arenaHard01: JudgeProtocol = {
  name: "arena-hard-0.1",
  parameters: { max_tokens: 4096, temperature: 0 },
  template: FIVE_LABELS_TEMPLATE,
  orders: bothOrders,
  read: ({ text }) => ofLabel(readVerdictOfV01(text)),
  goOn: "Go on from there, and end with your verdict: one of the five labels.",
}

/** v2.0: two games; a game without a label stays so, and its question is dropped. */
const arenaHard2: JudgeProtocol = {
  name: "arena-hard-2",
  parameters: { max_tokens: 16_000, temperature: 0 },
  template: FIVE_LABELS_TEMPLATE,
  orders: bothOrders,
  read: ({ text }) => ofLabel(readVerdictOfV2(text)),
}

/** Of a judge whose verdicts are numbers that a model computes: nothing is shown to it, and nothing is read. */
const ofRewards = (name: ProtocolName): JudgeProtocol => ({
  ...{ name, parameters: {}, template: [] },
  orders: async () => [],
  read: () => ({ shareOfFirst: undefined }),
})

export const PROTOCOLS: Readonly<Record<ProtocolName, JudgeProtocol>> = {
  "log-probs": logProbs,
  text: inWords,
  "arena-hard-0.1": arenaHard01,
  "arena-hard-2": arenaHard2,
  "implicit-reward": ofRewards("implicit-reward"),
  "reward-model": ofRewards("reward-model"),
}
