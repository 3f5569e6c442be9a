// What a judge job gives: the judge's log-probs of every answer, and its base's beside them, prompt by prompt in the suite's order. A runner
// writes it, the orchestrator reads it.
import { Schema } from "effect"
import { Count } from "#shared/domain/bounds.ts"
import { decodeLines, PromptId } from "./responses.ts"

/** Σ log-prob in nats over an answer's tokens; or why it has none: `empty`, `over-length`, `boundary-mismatch`, `template-refused`, `not-finite`. */
export const AnswerScore = Schema.Union([
  Schema.Struct({
    judge: Schema.Finite,
    /** Absent where the reward does not read it. */
    reference: Schema.optionalKey(Schema.Finite),
    tokens: Count,
  }),
  Schema.Struct({ unscored: Schema.String }),
])
export type AnswerScore = typeof AnswerScore.Type

export const PromptScores = Schema.Struct({
  id: PromptId,
  /** By whose answers they are, in the order of the answers. */
  answers: Schema.Record(Schema.String, Schema.Array(AnswerScore)),
  /** Of the suite's own answers, where it states which one people preferred. */
  stated: Schema.optionalKey(Schema.Struct({ chosen: AnswerScore, rejected: AnswerScore })),
})
export type PromptScores = typeof PromptScores.Type

const decodeScores = Schema.decodeUnknownSync(PromptScores)

export const encodeAnswerScores = (prompts: readonly PromptScores[]): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(prompts.map((prompt) => `${JSON.stringify(prompt)}\n`).join("")) as Uint8Array<ArrayBuffer>

/** Throws InvalidResponses. */
export const decodeAnswerScores = (bytes: Uint8Array): PromptScores[] => decodeLines(bytes, decodeScores)
