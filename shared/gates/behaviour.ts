// What an evaluation tells beside log-probs of held-out pairs: answers to some of their prompts, and how probable fixed texts are. The policy's
// always stands beside its base's, so that a measurement is a difference and not a property of the base.
import { Schema } from "effect"
import type { ScoredPair } from "#shared/methods/accuracy.ts"
import { SCRIPTS } from "./script.ts"

const { Struct, Array: List, String: Text, Boolean: Flag, Int, Literals, optionalKey } = Schema

/** How many held-out prompts are answered, greedily, and with how many tokens at most. */
export const ANSWERED_PROMPTS = 32
export const ANSWER_TOKENS = 64

/** Bounds of what is read back: an answer of 64 tokens is a few hundred characters. */
const MOST_ANSWERS = 1024
const MOST_TOKENS = 4096
const MOST_CHARACTERS = 65_536

export const Answer = Struct({
  /** Token ids, the one that ended it among them. */
  ids: List(Int).check(Schema.isMaxLength(MOST_TOKENS)),
  text: Text.check(Schema.isMaxLength(MOST_CHARACTERS)),
  /** Whether it ended by itself; false where the tokens ran out. */
  isWhole: Flag,
})
export type Answer = typeof Answer.Type

export const AnsweredPrompt = Struct({
  /** Index of a held-out pair, whose prompt this is. */
  pair: Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** The prompt's writing system. */
  script: Literals(SCRIPTS),
  policy: Answer,
  base: Answer,
})
export type AnsweredPrompt = typeof AnsweredPrompt.Type

/** Nats; null where a policy gives no finite number. */
const Score = Struct({ sum: Schema.NullOr(Schema.Finite), count: Int.check(Schema.isGreaterThanOrEqualTo(1)) })
const Scored = Struct({ chosen: Score, rejected: Score })

/** Of one probe, pair by pair in its order. Pairs that the tokenizer cannot tell apart are left out by both. */
export const ProbeScores = Struct({
  name: Text.check(Schema.isMaxLength(64)),
  policy: List(Scored).check(Schema.isMaxLength(1024)),
  base: List(Scored).check(Schema.isMaxLength(1024)),
})
export type ProbeScores = typeof ProbeScores.Type

export const Behaviour = Struct({
  answers: List(AnsweredPrompt).check(Schema.isMaxLength(MOST_ANSWERS)),
  /** Why there are none. */
  answersFault: optionalKey(Text.check(Schema.isMaxLength(1000))),
  probes: List(ProbeScores).check(Schema.isMaxLength(32)),
})
export type Behaviour = typeof Behaviour.Type

/** As they are measured: what is not finite is NaN again. */
export const probedPairs = (scores: ProbeScores["policy"]): readonly ScoredPair[] => {
  const read = ({ sum, count }: typeof Score.Type) => ({ sum: sum ?? Number.NaN, count })
  return scores.map(({ chosen, rejected }) => ({ chosen: read(chosen), rejected: read(rejected) }))
}
