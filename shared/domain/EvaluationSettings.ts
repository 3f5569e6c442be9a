// With what models are evaluated: a suite of prompts, how they are answered, and who judges the answers.
import { Schema } from "effect"
import { BOUNDS, nameOf } from "./bounds.ts"
import { numberAbove, numberBetween, wholeBetween } from "./config-numbers.ts"
import { Digest } from "./Files.ts"
import { ModelReference } from "./ModelReference.ts"

/** How all prompts are answered, by everybody alike. Absent: one answer, greedy, of at most 256 tokens. */
export const Answering = Schema.Struct({
  /** Answers to each prompt. */
  count: Schema.optionalKey(wholeBetween(1, 8)),
  seed: Schema.optionalKey(wholeBetween(0, Number.MAX_SAFE_INTEGER)),
  /** 0 takes the most likely token every time. */
  temperature: Schema.optionalKey(numberBetween(0, 100)),
  topK: Schema.optionalKey(wholeBetween(1, 1_000_000)),
  topP: Schema.optionalKey(numberAbove(0, 1)),
  minP: Schema.optionalKey(numberBetween(0, 1)),
  repetitionPenalty: Schema.optionalKey(numberAbove(0, 100)),
  /** Tokens of an answer. */
  maxTokens: Schema.optionalKey(wholeBetween(1, 4096)),
  /** Texts before which an answer ends. */
  stops: Schema.optionalKey(Schema.Array(nameOf(BOUNDS.label)).check(Schema.isMaxLength(4))),
}).annotate({ identifier: "Answering" })
export type Answering = typeof Answering.Type

/** What an answering says where nothing is said. */
export const DEFAULT_ANSWERING = { count: 1, seed: 0, temperature: 0, maxTokens: 256 } as const

/**
 * `log-ratio` is the reward that DPO and its kin learn implicitly: Σ log-prob under the judge less that under its base. `mean-log-ratio` is the
 * same by token, and `mean-log-prob` the mean log-prob of a token under the judge alone, as SimPO learns it.
 */
export const Reward = Schema.Literals(["log-ratio", "mean-log-ratio", "mean-log-prob"])
export type Reward = typeof Reward.Type

/** A model of the registry whose log-probs say which answer is better: one that was trained on what people prefer. */
export const LocalJudge = Schema.Struct({
  model: ModelReference,
  /** Absent: `log-ratio`. */
  reward: Schema.optionalKey(Reward),
  /** What rewards are multiplied by before they become a probability; absent: 0.1 of sums, 2 of means. */
  beta: Schema.optionalKey(numberAbove(0, 1000)),
}).annotate({ identifier: "LocalJudge" })
export type LocalJudge = typeof LocalJudge.Type

const MOST_REQUESTS = 1_000_000

/** Up to /v1, without a slash at the end: what a runner compares with its own, and puts a path behind. */
const EndpointUrl = Schema.String.check(
  Schema.isMaxLength(BOUNDS.sentence),
  Schema.isPattern(/^https?:\/\/[^\s/?#@]+(?:\/[^\s?#@]*[^\s?#@/])?$/u, {
    message: "give an http or https URL up to /v1, without a user, a query or a slash at the end",
  }),
)

/** Of a million tokens, in any currency. */
const Price = numberBetween(0, 1_000_000)

/**
 * A model behind an OpenAI-compatible endpoint, which is shown the answers pair by pair. A runner asks it that was given the endpoint and its key;
 * neither a dataset nor an evaluation ever holds a key.
 */
export const EndpointJudge = Schema.Struct({
  url: EndpointUrl,
  /** As the endpoint calls it: a dated name, not one that moves. */
  model: nameOf(BOUNDS.label),
  /** `log-probs` of one token, in one order (absent), or `text`, in both. */
  verdict: Schema.optionalKey(Schema.Literals(["log-probs", "text"])),
  /** What a million tokens cost, read and written. */
  price: Schema.optionalKey(Schema.Struct({ prompt: Price, completion: Price })),
  /** Never more for one comparison, whatever fails. */
  budget: Schema.optionalKey(
    Schema.Struct({
      /** Absent: twice the questions. */
      requests: Schema.optionalKey(wholeBetween(1, MOST_REQUESTS)),
      /** By the price. */
      cost: Schema.optionalKey(numberBetween(0, 1_000_000_000)),
    }),
  ),
}).annotate({ identifier: "EndpointJudge" })
export type EndpointJudge = typeof EndpointJudge.Type

export const Judge = Schema.Union([LocalJudge, EndpointJudge])
export type Judge = typeof Judge.Type

export const isEndpoint = (judge: Judge): judge is EndpointJudge => "url" in judge

const DEFAULT_BETA = { sum: 0.1, mean: 2 } as const

/** How rewards are made of log-probs. */
export const rewardRuleOf = ({ reward = "log-ratio", beta }: LocalJudge) => {
  const reduction = reward === "log-ratio" ? "sum" : "mean"
  return {
    readsReference: reward !== "mean-log-prob",
    rule: { beta: beta ?? DEFAULT_BETA[reduction], reduction },
  } as const
}

/** Most models whose answers the candidate's are held against at once. */
export const MOST_OPPONENTS = 3

/** What is evaluated with: a dataset's `evaluation`, and part of a request. */
export const EvaluationSettings = Schema.Struct({
  /** A blob of JSON Lines, {"id", "prompt": text or messages}; "metadata" {"setting": "support"} makes groups, "chosen" and "rejected" measure the judge. */
  prompts: Digest,
  judge: Judge,
  /** Absent: one answer to each prompt, greedy, of at most 256 tokens. */
  answering: Schema.optionalKey(Answering),
}).annotate({ identifier: "EvaluationSettings" })
export type EvaluationSettings = typeof EvaluationSettings.Type
