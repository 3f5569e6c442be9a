// The Retrain workflow: what it takes, what its steps give, how it may fail. Definitions only: an engine runs them.
// Results are small; data travels as digests of blobs.
import { Schema } from "effect"
import { DurableDeferred, Workflow } from "effect/workflow"
import { ModelReference, ReferencePlace, ReferencePrecision } from "#shared/domain/Dataset.ts"
import { Digest, Files } from "#shared/domain/Files.ts"
import { HubSource } from "#shared/domain/Model.ts"
import { PromotionPolicy, RunDetail, TriggerSource } from "#shared/domain/Run.ts"
import { DeclaredProbe, GateRule } from "#shared/gates/gates-declaration.ts"
import { Measured } from "#shared/gates/measurements.ts"
import { JobResult, judgedFields } from "#shared/wire/job.ts"
import { ShardEntry } from "#shared/wire/pack-manifest.ts"
import { Comparison, ComparisonTerms } from "./comparison.ts"

/** What an adapter must reach to be promoted, of runs that were triggered before there were rules. Accuracies are shares, 0 to 1. */
export const GateLimits = Schema.Struct({
  /** Held-out accuracy over the base model's, at least. */
  minimumGain: Schema.Finite,
  /** How far held-out accuracy may fall below the production adapter's on the same pack. */
  productionTolerance: Schema.Finite,
  /** Most drift from the base model, nats per token. */
  driftPerToken: Schema.Finite,
  /** Most of the pack's pairs, as a share, that may have been taken back since it was made. Absent: the default. */
  takenBackShare: Schema.optionalKey(Schema.Finite),
})
export type GateLimits = typeof GateLimits.Type

/** The gates of a run: its dataset's, or the default ones within the deployment's limits. */
export const PinnedGates = Schema.Struct({
  rules: Schema.Array(GateRule),
  probes: Schema.Array(DeclaredProbe),
  /** The dataset's own rules, each of which has a gate. Absent: the default ones, of which those that do not apply have none. */
  isDeclared: Schema.optionalKey(Schema.Literal(true)),
})
export type PinnedGates = typeof PinnedGates.Type

export const RetrainPayload = Schema.Struct({
  datasetId: Schema.String,
  /** Two triggers with the same dataset and key are one run. */
  key: Schema.String,
  trigger: TriggerSource,
  /** Resolved training options (shared/domain/TrainConfig.ts). */
  config: Schema.Record(Schema.String, Schema.Unknown),
  promotion: PromotionPolicy,
  /** The adapter's name in the registry. */
  modelName: Schema.String,
  /** Pinned when the run is triggered: what happens to the dataset later does not reach this run. */
  base: Schema.Struct({ ...ModelReference.fields, files: Files, source: Schema.optionalKey(HubSource) }),
  /** An adapter of the registry that training starts from, pinned like the base. */
  startFrom: Schema.optionalKey(Schema.Struct({ ...ModelReference.fields, files: Files })),
  /** Who computes the reference, and in which precision. Absent: the edge, of the weights as stored. */
  reference: Schema.optionalKey(Schema.Struct({ place: ReferencePlace, precision: ReferencePrecision })),
  /** With what the candidate is compared by answers; absent: it is not. */
  evaluation: Schema.optionalKey(ComparisonTerms),
  gates: Schema.Union([PinnedGates, GateLimits]),
  /** The dataset's, to which its pairs were made: none is longer. Absent: a run that was triggered before it was pinned. */
  maxLength: Schema.optionalKey(Schema.Int),
  /** Absent: a run that was triggered before there were any, and is not bounded. */
  limits: Schema.optionalKey(Schema.Struct({ steps: Schema.Int, hours: Schema.Finite })),
  /** How long after `createdAt` the snapshot waits for comparisons that came before it. Absent: not at all. */
  ingestWaitMs: Schema.optionalKey(Schema.Int),
  /** Milliseconds since the Unix epoch. */
  createdAt: Schema.Int,
})
export type RetrainPayload = typeof RetrainPayload.Type

const reason = { message: Schema.String }

/** The dataset cannot be trained on: no pairs to train on, or none held out. */
export class SnapshotUnusable extends Schema.TaggedError<SnapshotUnusable>()("SnapshotUnusable", reason) {}

/** The reference's log-probs cannot be had: a file of the base model or a pair is unusable, or the scorer refuses. */
export class ScoringRefused extends Schema.TaggedError<ScoringRefused>()("ScoringRefused", reason) {}

/** The pack cannot be built: too few pairs that still count, or records that stay missing or malformed after scoring again. */
export class PackRefused extends Schema.TaggedError<PackRefused>()("PackRefused", reason) {}

/** A runner's job failed for good: it may not be retried, or its attempts are used up. */
export class JobFailed extends Schema.TaggedError<JobFailed>()("JobFailed", reason) {}

/** What a runner handed in is not what was asked for. */
export class ResultUnusable extends Schema.TaggedError<ResultUnusable>()("ResultUnusable", reason) {}

/** The registry refuses the adapter. */
export class ModelRefused extends Schema.TaggedError<ModelRefused>()("ModelRefused", reason) {}

export const RetrainFailure = Schema.Union([
  SnapshotUnusable,
  ScoringRefused,
  PackRefused,
  JobFailed,
  ResultUnusable,
  ModelRefused,
])
export type RetrainFailure = typeof RetrainFailure.Type

/** What the steps give is what a run shows of them, and more where a later step needs it. */
const shown = RunDetail.fields

/** The frozen pairs, and the reference model's identity. */
export const Snapshot = Schema.Struct({
  ...shown.snapshot.schema.fields,
  /** Blob: canonical JSON `SnapshotContent`. */
  digest: Digest,
  referenceFingerprint: Digest,
  tokenizerDigest: Digest,
  /** SHA-256 of the chat template, "" where there is none. Absent: a run that began under an older version. */
  templateDigest: Schema.optionalKey(Schema.Union([Digest, Schema.Literal("")])),
})
export type Snapshot = typeof Snapshot.Type

/** A snapshot's blob: its pages, in the order of their pairs' ids. Every page but the last is full. */
export const SnapshotContent = Schema.Struct({
  datasetId: Schema.String,
  splitRule: Schema.Int,
  /** Blobs: canonical JSON `SnapshotPage`. */
  pages: Schema.Array(Digest),
  /** How many of the pairs verdicts make; absent where there are none. */
  matchedPairs: Schema.optionalKey(Schema.Int),
})
export type SnapshotContent = typeof SnapshotContent.Type

/** Some of a snapshot's pairs. Ids sorted. */
export const SnapshotPage = Schema.Struct({
  train: Schema.Array(Digest),
  heldOut: Schema.Array(Digest),
  /** What a pair's weight is multiplied by, by id, where its votes are split and it is not 1. */
  shares: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  /** Of a pair that verdicts make: the undesirable answer's id. Its own is the desirable one's. */
  matched: Schema.optionalKey(Schema.Record(Schema.String, Digest)),
})
export type SnapshotPage = typeof SnapshotPage.Type

export const ScoreCounts = shown.score.schema
export type ScoreCounts = typeof ScoreCounts.Type

/** Where in a snapshot: behind the first `pairs` pairs of page `page`. */
export const SnapshotPlace = Schema.Struct({ page: Schema.Int, pairs: Schema.Int })
export type SnapshotPlace = typeof SnapshotPlace.Type

/** A stretch of the snapshot, and what runners are to score of it. */
export const ScoreCut = Schema.Struct({
  /** Absent: everything is in KV. */
  job: Schema.optionalKey(
    /** The shard is named for whoever deletes what a run has stored. */
    Schema.Struct({ pack: Digest, shard: Digest, sheet: Digest, pairs: Schema.Int }),
  ),
  /** Responses that the job asks for, and that it need not: in KV, or asked of another run's job. */
  counts: ScoreCounts,
  /** Open jobs of other runs that give some of its responses. Absent: none. */
  elsewhere: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Of the last job that it knew of another run for this reference. Absent: a run that began under an older version. */
  last: Schema.optionalKey(Schema.Int),
  /** Where the next stretch begins; null: there is none. */
  next: Schema.NullOr(SnapshotPlace),
})
export type ScoreCut = typeof ScoreCut.Type

/** The run's pack (shared/wire/pack-manifest.ts), by its manifest's blob. */
export const StoredPack = Schema.Struct({ ...shown.pack.schema.fields, digest: Digest })
export type StoredPack = typeof StoredPack.Type

/** What a page of the snapshot became: shards, or none where all of its pairs were taken back. */
export const PackPart = Schema.Struct({
  /** Absent: a run that began under an older version. */
  shards: Schema.optionalKey(Schema.Array(ShardEntry)),
  takenBack: Schema.optionalKey(Schema.Int),
  /** Pairs of which runners scored no whole record that KV shows: there are no shards then. */
  lacking: Schema.optionalKey(Schema.Int),
})
export type PackPart = typeof PackPart.Type

export const Trained = shown.train.schema
export type Trained = typeof Trained.Type

/** Held-out results of one adapter on the run's pack. */
export const Evaluated = Schema.Struct({
  ...shown.evaluate.schema.fields,
  /** Responses whose log-prob is not finite. */
  nonFinite: Schema.Int,
})
export type Evaluated = typeof Evaluated.Type

/** What the production channel served when this run looked, if anything comparable. */
export const Champion = Schema.Struct({
  version: Schema.NullOr(Schema.Int),
  /** Absent: nothing to compare with. */
  compare: Schema.optionalKey(
    Schema.Union([
      /** It was measured on the very same pack; before there were measurements against production, only its accuracy was kept. */
      Schema.Struct({
        kind: Schema.Literal("measured"),
        evaluation: Schema.optionalKey(Digest),
        accuracy: Schema.optionalKey(Schema.Finite),
      }),
      /** A runner has to measure it on this pack. */
      Schema.Struct({ kind: Schema.Literal("to-measure"), ...judgedFields }),
    ]),
  ),
})
export type Champion = typeof Champion.Type

/** The candidate beside what production serves, pair by pair. */
export const Leads = Schema.Struct({
  /** Production's, of the pairs that gates go by. */
  accuracy: Schema.Finite,
  /** By name (shared/gates/measurements.ts). */
  measurements: Schema.Record(Schema.String, Measured),
})
export type Leads = typeof Leads.Type

/** Whom the candidate's answers are held against, the one that gates go by first; or why that cannot be told. */
export const Opponents = Schema.Union([
  Schema.Struct({ against: Comparison.fields.against }),
  Schema.Struct({ unmeasured: Schema.String }),
])
export type Opponents = typeof Opponents.Type

export const Promoted = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("decided"), promote: shown.promote.schema }),
  /** Production moved since the champion was looked up: compare again. */
  Schema.Struct({ kind: Schema.Literal("production-moved") }),
])
export type Promoted = typeof Promoted.Type

/** Starts with `snapshot`, ends with the promotion's decision; a closed gate is a success whose `promoted` is false. */
export const Retrain = Workflow.make("Retrain", {
  payload: RetrainPayload,
  success: shown.promote.schema,
  error: RetrainFailure,
  idempotencyKey: ({ datasetId, key }) => `${datasetId}\n${key}`,
})

/** Name, success and error of an activity; `Activity.make` takes it with an `execute`. */
const activity = <A extends Schema.Top, E extends Schema.Top>(success: A, error: E) => ({ success, error })

/** The activities, in the order in which they run. Those of a series (`score/0`, `pack/0`) share a definition. */
export const RetrainActivities = {
  snapshot: activity(Snapshot, Schema.Union([SnapshotUnusable, ScoringRefused])),
  score: activity(ScoreCounts, ScoringRefused),
  scoreCut: activity(ScoreCut, ScoringRefused),
  scored: activity(Schema.Null, Schema.Never),
  abandon: activity(Schema.Null, Schema.Never),
  packPart: activity(PackPart, Schema.Union([PackRefused, ScoringRefused])),
  pack: activity(StoredPack, PackRefused),
  postJob: activity(Schema.Null, Schema.Never),
  postScores: activity(Schema.NullOr(Schema.Literal("overtaken")), Schema.Never),
  follow: activity(Schema.Null, Schema.Never),
  train: activity(Trained, ResultUnusable),
  evaluate: activity(Evaluated, ResultUnusable),
  champion: activity(Champion, Schema.Never),
  leads: activity(Leads, ResultUnusable),
  opponents: activity(Opponents, Schema.Never),
  winRate: activity(Evaluated, Schema.Never),
  promote: activity(Promoted, ModelRefused),
} as const

/** Completed by the runner pool when the job `<run>-<name>` is done or has failed for good. */
export const jobFinished = (name: string) =>
  DurableDeferred.make(`job/${name}`, { success: JobResult, error: JobFailed })

/** Completed by the runner pool when the jobs of other runs that this wait is for have ended, however. */
export const jobsEnded = (name: string) => DurableDeferred.make(`jobs/${name}`, { success: Schema.Null })
