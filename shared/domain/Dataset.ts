// A dataset: the comparisons of one purpose, with the base model whose tokenizer and reference log-probs its pairs use.
import { Schema } from "effect"
import { REFERENCE_PRECISIONS } from "#shared/formats/weights/reference-precision.ts"
import { GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import { Count, TimeMs } from "./bounds.ts"
import { EvaluationSettings } from "./EvaluationSettings.ts"
import { ModelReference } from "./ModelReference.ts"
import { RunLimits } from "./RunLimits.ts"
import { SplitVotes } from "./SplitVotes.ts"

export { MODEL_NAME_MEND, ModelName, ModelReference } from "./ModelReference.ts"

export const DatasetId = Schema.String.check(
  Schema.isPattern(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/u, {
    message: "use 1 to 64 lower-case letters, digits and hyphens, with no hyphen at either end",
  }),
)

/** How prompts and responses are read: as they stand, or as turns through the model's chat template. */
export const PromptForm = Schema.Literals(["text", "chat"])
export type PromptForm = typeof PromptForm.Type

/** Who computes the reference's log-probs: the scorer at the edge, or runners. */
export const ReferencePlace = Schema.Literals(["edge", "runner"])
export type ReferencePlace = typeof ReferencePlace.Type

/** How the base is held while its log-probs are computed, in the words of `baseWeights`, or `mixed` products; all but `stored` and `f32` by runners. */
export const ReferencePrecision = Schema.Literals(REFERENCE_PRECISIONS)

export const Reference = Schema.Struct({
  place: ReferencePlace,
  /** What decided that, in numbers. */
  why: Schema.String,
  precision: ReferencePrecision,
}).annotate({ identifier: "Reference" })
export type Reference = typeof Reference.Type

export const Dataset = Schema.Struct({
  id: DatasetId,
  referenceModel: ModelReference,
  reference: Reference,
  /** Absent: chat where the model has a chat template, else text. */
  promptForm: Schema.optionalKey(PromptForm),
  /** The system turn of every conversation that has none of its own. */
  systemText: Schema.optionalKey(Schema.String),
  /** Tokens: a prompt plus its longer response. */
  maxLength: Count,
  /** What a pair means that some labellers state the other way round. */
  splitVotes: SplitVotes,
  /** Start a run when this many ready pairs are new since the last; absent: never. */
  retrainThreshold: Schema.optionalKey(Count),
  /** Training options of runs started here (the keys of `train --config`). */
  retrainConfig: Schema.Record(Schema.String, Schema.Unknown),
  /** Seconds without a new pair before the threshold starts a run; absent: 0. */
  quietSeconds: Schema.optionalKey(Count),
  /** Of runs started here; what is absent has its default. */
  runLimits: Schema.optionalKey(RunLimits),
  /** How a run's candidate is compared with production and its base by answers; absent: not at all. */
  evaluation: Schema.optionalKey(EvaluationSettings),
  /** What its adapters must pass to be promoted; absent: the default gates. */
  gates: Schema.optionalKey(GatesDeclaration),
  createdAt: TimeMs,
}).annotate({ identifier: "Dataset" })
export type Dataset = typeof Dataset.Type

/** Held-out pairs whose prompt nearly repeats a trained one (shared/wire/near-duplicates.ts), of a sample of the ready pairs. */
export const NearRepeats = Schema.Struct({
  nearRepeats: Count,
  /** Held-out pairs that were looked at, and trained ones that they were compared with. */
  ofHeldOut: Count,
  againstTrain: Count,
}).annotate({ identifier: "NearRepeats" })
export type NearRepeats = typeof NearRepeats.Type

const Counts = Schema.Record(Schema.String, Count)

/** Of ready pairs, each direction of a contradicted one being a pair: how labellers voted. */
const VoteCounts = Schema.Struct({
  /** One labeller states it. */
  single: Count,
  /** Several do, and nobody the opposite. */
  agreed: Count,
  /** Others state the opposite. */
  split: Count,
  /** Of the split ones, those that `splitVotes` leaves out. */
  leftOut: Count,
})

/** Verdicts on single answers, by what they say, and the pairs that they make: one desirable and one undesirable answer to one prompt. */
const VerdictCounts = Schema.Struct({ desirable: Count, undesirable: Count, pairs: Count })

/** How many of the dataset's comparisons and pairs are in each status, and how its labellers voted. */
export const DatasetCounts = Schema.Struct({
  comparisons: Counts,
  pairs: Counts,
  waiting: Count,
  votes: VoteCounts,
  verdicts: VerdictCounts,
}).annotate({
  identifier: "DatasetCounts",
})
export type DatasetCounts = typeof DatasetCounts.Type
