// A comparison is what a labeller gives; pairs are derived from it. Everything that enters, from any tool, becomes one of these.
import { Schema } from "effect"

export const Message = Schema.Struct({
  role: Schema.Literals(["system", "user", "assistant"]),
  content: Schema.String,
})
export type Message = typeof Message.Type

/**
 * A prompt or a response: plain text, or chat messages that go through the model's chat template. That neither is empty is
 * a rule of its own (comparison-faults.ts), so that it is answered with its own reason.
 */
export const Text = Schema.Union([Schema.String, Schema.NonEmptyArray(Message)])
export type Text = typeof Text.Type

export const Candidate = Schema.Struct({
  id: Schema.NonEmptyString,
  response: Text,
  model: Schema.optionalKey(Schema.NonEmptyString),
})
export type Candidate = typeof Candidate.Type

/** What the labeller said. Candidate ids refer to `Comparison.candidates`; a lower rank is better. */
export const Judgement = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("choice"), winner: Schema.NonEmptyString }),
  Schema.Struct({ kind: Schema.Literal("tie"), quality: Schema.optionalKey(Schema.Literals(["good", "bad"])) }),
  Schema.Struct({ kind: Schema.Literal("ranking"), ranks: Schema.Record(Schema.String, Schema.Int) }),
  Schema.Struct({ kind: Schema.Literal("rating"), scores: Schema.Record(Schema.String, Schema.Finite) }),
  /** −3 … 3: negative means the first candidate is better, as in HelpSteer3. */
  Schema.Struct({ kind: Schema.Literal("strength"), value: Schema.Int }),
])
export type Judgement = typeof Judgement.Type

export const Source = Schema.Literals(["api", "argilla", "label-studio"])
export type Source = typeof Source.Type

export const Comparison = Schema.Struct({
  externalId: Schema.NonEmptyString,
  prompt: Text,
  candidates: Schema.NonEmptyArray(Candidate),
  judgement: Judgement,
  annotator: Schema.optionalKey(Schema.NonEmptyString),
  task: Schema.optionalKey(Schema.NonEmptyString),
  labelledAt: Schema.optionalKey(Schema.String),
  metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
})
export type Comparison = typeof Comparison.Type
