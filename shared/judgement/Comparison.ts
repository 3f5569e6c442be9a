// A comparison is what a labeller gives; pairs are derived from it. Everything that enters, from any tool, becomes one of these.
import { Schema } from "effect"
import { LabellingTool } from "#shared/domain/WebhookEndpoint.ts"
import type { Message } from "#shared/tokenisation/tokenisation.ts"

/** A prompt or a response: plain text (no template), or messages (through the model's chat template). */
export type Text = string | readonly Message[]

/** What the service takes of a message: no tool calls and no thoughts, which files may hold. */
const PlainMessage = Schema.Struct({
  role: Schema.Literals(["system", "user", "assistant"]),
  content: Schema.String,
})

/** That a text is not empty is a rule of its own (comparison-faults.ts), so that it is answered with its own reason. */
export const Text = Schema.Union([Schema.String, Schema.NonEmptyArray(PlainMessage)])

export const Candidate = Schema.Struct({
  id: Schema.NonEmptyString,
  response: Text,
  model: Schema.optionalKey(Schema.NonEmptyString),
})
export type Candidate = typeof Candidate.Type

/** The strength of a preference that could not be stronger. */
export const STRONGEST_PREFERENCE = 3

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

export const Source = Schema.Literals(["api", ...LabellingTool.literals])
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
