// A run of the Retrain workflow, as it is listed and reported.
import { Schema } from "effect"
import { BOUNDS, textOf } from "./bounds.ts"
import { Files } from "./Files.ts"

export const TriggerSource = Schema.Literals(["api", "webhook", "threshold"])
export type TriggerSource = typeof TriggerSource.Type

export const RunStep = Schema.Literals(["snapshot", "score", "pack", "train", "evaluate", "promote", "done"])
export type RunStep = typeof RunStep.Type

/** `automatic` moves the production channel when every gate passes; `never` only registers the candidate. */
export const PromotionPolicy = Schema.Literals(["automatic", "never"])
export type PromotionPolicy = typeof PromotionPolicy.Type

export const GateResult = Schema.Struct({
  gate: Schema.String,
  passed: Schema.Boolean,
  value: Schema.Finite,
  limit: Schema.Finite,
  explanation: Schema.String,
})
export type GateResult = typeof GateResult.Type

/** Every key is absent until its step has finished. Accuracies are held-out pair accuracies, 0 to 1. */
export const RunDetail = Schema.Struct({
  snapshot: Schema.optionalKey(
    Schema.Struct({
      digest: Schema.String,
      trainPairs: Schema.Int,
      heldOutPairs: Schema.Int,
      /** Of the rule by which they were split (shared/wire/pair-identity.ts); absent: 1. Runs of other rules are not comparable. */
      splitRule: Schema.optionalKey(Schema.Int),
      /** Comparisons that came before the run and were no pairs yet; absent where there were none. */
      leftOutComparisons: Schema.optionalKey(Schema.Int),
    }),
  ),
  /** Responses whose log-probs were computed, and found in KV. */
  score: Schema.optionalKey(Schema.Struct({ computed: Schema.Int, fromCache: Schema.Int })),
  pack: Schema.optionalKey(
    Schema.Struct({
      digest: Schema.String,
      bytes: Schema.Int,
      tokens: Schema.Int,
      /** Pairs of the snapshot that it leaves out, because they were taken back meanwhile; absent where there were none. */
      takenBack: Schema.optionalKey(Schema.Int),
    }),
  ),
  train: Schema.optionalKey(Schema.Struct({ adapter: Files, report: Schema.Record(Schema.String, Schema.Unknown) })),
  evaluate: Schema.optionalKey(
    Schema.Struct({
      baseAccuracy: Schema.Finite,
      accuracy: Schema.Finite,
      accuracyLow: Schema.Finite,
      accuracyHigh: Schema.Finite,
      klPerToken: Schema.Finite,
      pairs: Schema.Int,
      /** Held-out pairs whose prompt nearly repeats a trained one (shared/wire/near-duplicates.ts). */
      nearDuplicates: Schema.optionalKey(Schema.Int),
      /** What the gates go by, where there are some and others. */
      withoutNearDuplicates: Schema.optionalKey(
        Schema.Struct({ baseAccuracy: Schema.Finite, accuracy: Schema.Finite, pairs: Schema.Int }),
      ),
    }),
  ),
  promote: Schema.optionalKey(
    Schema.Struct({
      name: Schema.String,
      version: Schema.Int,
      digest: Schema.String,
      promoted: Schema.Boolean,
      /** Pairs of the pack that were taken back while it was trained on; absent where there were none. */
      takenBack: Schema.optionalKey(Schema.Int),
      gates: Schema.Array(GateResult),
    }),
  ),
})
export type RunDetail = typeof RunDetail.Type

export const Run = Schema.Struct({
  id: Schema.String,
  datasetId: Schema.String,
  trigger: TriggerSource,
  method: Schema.String,
  status: Schema.Literals(["running", "succeeded", "failed", "cancelled"]),
  step: RunStep,
  detail: RunDetail,
  /** Progress of the job a runner holds for this run, if one does. */
  progress: Schema.optionalKey(
    Schema.Struct({ step: Schema.Int, steps: Schema.Int, message: Schema.optionalKey(textOf(BOUNDS.sentence)) }),
  ),
  /** Why a run that is under way stands still, where it does. */
  standing: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  createdAt: Schema.Int,
  updatedAt: Schema.Int,
})
export type Run = typeof Run.Type
