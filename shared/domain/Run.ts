// A run of the Retrain workflow, as it is listed and reported.
import { Schema } from "effect"
import { GateResult } from "#shared/gates/GateResult.ts"
import { Measured } from "#shared/gates/measurements.ts"
import { BOUNDS, Count, Share, TimeMs, textOf, Version } from "./bounds.ts"
import { ReferencePlace } from "./Dataset.ts"
import { Files } from "./Files.ts"
import { ComparedAnswers, JudgeAccuracy, WinRate } from "./WinRate.ts"

export const TriggerSource = Schema.Literals(["api", "webhook", "threshold"])
export type TriggerSource = typeof TriggerSource.Type

/** `compare`: its candidate's answers are held against others', where its dataset states an evaluation. */
export const RunStep = Schema.Literals(["snapshot", "score", "pack", "train", "evaluate", "compare", "promote", "done"])
export type RunStep = typeof RunStep.Type

/** `automatic` moves the production channel when every gate passes; `never` only registers the candidate. */
export const PromotionPolicy = Schema.Literals(["automatic", "never"])
export type PromotionPolicy = typeof PromotionPolicy.Type

/** Every key is absent until its step has finished. Accuracies are held-out pair accuracies, 0 to 1. */
export const RunDetail = Schema.Struct({
  snapshot: Schema.optionalKey(
    Schema.Struct({
      digest: Schema.String,
      trainPairs: Count,
      heldOutPairs: Count,
      /** Of the rule by which they were split (shared/wire/pair-identity.ts); absent: 1. Runs of other rules are not comparable. */
      splitRule: Schema.optionalKey(Version),
      /** Pairs made after that are not among them; absent in runs of before this was kept. */
      takenAt: Schema.optionalKey(TimeMs),
      /** Of `trainPairs`, verdicts on one answer, for a method that reads them; absent where there are none. */
      verdicts: Schema.optionalKey(Count),
      /** Comparisons that came before the run and were no pairs yet; absent where there were none. */
      leftOutComparisons: Schema.optionalKey(Count),
    }),
  ),
  /** Responses whose log-probs were computed, and found in KV; and who computed. */
  score: Schema.optionalKey(
    Schema.Struct({
      computed: Count,
      fromCache: Count,
      /** Absent: at the edge. */
      place: Schema.optionalKey(ReferencePlace),
    }),
  ),
  pack: Schema.optionalKey(
    Schema.Struct({
      /** Of its manifest (shared/wire/pack-manifest.ts). */
      digest: Schema.String,
      /** Of its shards together. */
      bytes: Count,
      tokens: Count,
      /** Absent: a pack of an older version, which was one file. */
      shards: Schema.optionalKey(Count),
      /** Pairs of the snapshot that it leaves out, because they were taken back meanwhile; absent where there were none. */
      takenBack: Schema.optionalKey(Count),
    }),
  ),
  train: Schema.optionalKey(
    Schema.Struct({
      adapter: Schema.optionalKey(Files),
      /** Of a full fine-tune, which makes a whole model and no adapter. */
      model: Schema.optionalKey(Files),
      report: Schema.Record(Schema.String, Schema.Unknown),
    }),
  ),
  evaluate: Schema.optionalKey(
    Schema.Struct({
      baseAccuracy: Share,
      accuracy: Share,
      accuracyLow: Share,
      accuracyHigh: Share,
      /** The k3 estimate over held-out responses (retrain/measure.ts), never negative: what the gate `drift` goes by. Not the report's `klPerToken`. */
      driftPerToken: Schema.Finite,
      pairs: Count,
      /** Held-out pairs whose prompt nearly repeats a trained one (shared/wire/near-duplicates.ts). */
      nearDuplicates: Schema.optionalKey(Count),
      /** What the gates go by, where there are some and others. */
      withoutNearDuplicates: Schema.optionalKey(Schema.Struct({ baseAccuracy: Share, accuracy: Share, pairs: Count })),
      /** Of its answers against production's, or the base's where production serves nothing; absent where the dataset states no evaluation. */
      winRate: Schema.optionalKey(WinRate),
      /** Against the base, where `winRate` is against production. */
      winRateOverBase: Schema.optionalKey(WinRate),
      judgeAccuracy: Schema.optionalKey(JudgeAccuracy),
      answers: Schema.optionalKey(ComparedAnswers),
      /** Why there is no win rate, though the dataset states an evaluation. */
      winRateUnmeasured: Schema.optionalKey(Schema.String),
      /** What gates ask about, by name (shared/gates/measurements.ts). Absent: a run of before there were any, or an older runner's. */
      measurements: Schema.optionalKey(Schema.Record(Schema.String, Measured)),
    }),
  ),
  promote: Schema.optionalKey(
    Schema.Struct({
      name: Schema.String,
      version: Version,
      digest: Schema.String,
      promoted: Schema.Boolean,
      /** Pairs of the pack that were taken back while it was trained on; absent where there were none. */
      takenBack: Schema.optionalKey(Count),
      gates: Schema.Array(GateResult),
    }),
  ),
}).annotate({ identifier: "RunDetail" })
export type RunDetail = typeof RunDetail.Type

export const Run = Schema.Struct({
  id: Schema.String,
  datasetId: Schema.String,
  /** Where the dataset was deleted since. One of the same id that was made after it is another. */
  datasetDeletedAt: Schema.optionalKey(TimeMs),
  trigger: TriggerSource,
  method: Schema.String,
  status: Schema.Literals(["running", "succeeded", "failed", "cancelled"]),
  step: RunStep,
  detail: RunDetail,
  /** Progress of the job a runner holds for this run, if one does. */
  progress: Schema.optionalKey(
    Schema.Struct({ step: Count, steps: Count, message: Schema.optionalKey(textOf(BOUNDS.sentence)) }),
  ),
  /** Why a run that is under way stands still, where it does. */
  standing: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  createdAt: TimeMs,
  updatedAt: TimeMs,
}).annotate({ identifier: "Run" })
export type Run = typeof Run.Type
