// A comparison is what a labeller gives; pairs are derived from it. Everything that enters, from any tool, becomes one of these.
import { Schema } from "effect"
import { BOUNDS, nameOf, textOf } from "#shared/domain/bounds.ts"
import { LabellingTool } from "#shared/domain/WebhookEndpoint.ts"
import type { Message } from "#shared/tokenisation/tokenisation.ts"

/** A prompt or a response: plain text (no template), or messages (through the model's chat template). */
export type Text = string | readonly Message[]

/** Who may speak in what the service takes. */
export const PLAIN_ROLES = ["system", "user", "assistant"] as const

/** What the service takes of a message: no tool calls and no thoughts, which files may hold. */
const PlainMessage = Schema.Struct({
  role: Schema.Literals(PLAIN_ROLES),
  content: textOf(BOUNDS.text),
})

/** That a text is not empty is a rule of its own (comparison-faults.ts), so that it is answered with its own reason. */
export const Text = Schema.Union([
  textOf(BOUNDS.text),
  Schema.NonEmptyArray(PlainMessage).check(Schema.isMaxLength(BOUNDS.messages)),
])

const Identifier = nameOf(BOUNDS.identifier)

/** One value for each of the candidates that were judged. */
const ofCandidates = <Value extends Schema.Top>(value: Value) =>
  Schema.Record(Schema.String, value).check(Schema.isMaxProperties(BOUNDS.candidates))

export const Candidate = Schema.Struct({
  id: Identifier,
  response: Text,
  model: Schema.optionalKey(Identifier),
}).annotate({ identifier: "Candidate" })
export type Candidate = typeof Candidate.Type

/** The strength of a preference that could not be stronger. */
export const STRONGEST_PREFERENCE = 3

/** What the labeller said. Candidate ids refer to `Comparison.candidates`; a lower rank is better. */
export const Judgement = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("choice"), winner: Identifier }),
  Schema.Struct({ kind: Schema.Literal("tie"), quality: Schema.optionalKey(Schema.Literals(["good", "bad"])) }),
  Schema.Struct({ kind: Schema.Literal("ranking"), ranks: ofCandidates(Schema.Int) }),
  Schema.Struct({ kind: Schema.Literal("rating"), scores: ofCandidates(Schema.Finite) }),
  /** −3 … 3: negative means the first candidate is better, as in HelpSteer3. */
  Schema.Struct({
    kind: Schema.Literal("strength"),
    value: Schema.Int.annotate({ description: "−3 to 3; negative: the first is better." }),
  }),
  /** A thumb up or down on the only candidate. */
  Schema.Struct({ kind: Schema.Literal("verdict"), value: Schema.Literals(["desirable", "undesirable"]) }),
])
export type Judgement = typeof Judgement.Type
export type Verdict = Extract<Judgement, { readonly kind: "verdict" }>

export const Source = Schema.Literals(["api", ...LabellingTool.literals])
export type Source = typeof Source.Type

export const Comparison = Schema.Struct({
  externalId: Identifier,
  prompt: Text,
  candidates: Schema.NonEmptyArray(Candidate).check(Schema.isMaxLength(BOUNDS.candidates)),
  judgement: Judgement,
  annotator: Schema.optionalKey(Identifier),
  task: Schema.optionalKey(Identifier),
  labelledAt: Schema.optionalKey(textOf(BOUNDS.label)),
  metadata: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Unknown).check(Schema.isMaxProperties(BOUNDS.entries)),
  ),
}).annotate({ identifier: "Comparison" })
export type Comparison = typeof Comparison.Type
