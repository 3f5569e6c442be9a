// What the orchestrator asks of a runner and what the runner answers. Files travel as digests of blobs.
import { Schema } from "effect"
import { Count } from "#shared/domain/bounds.ts"
import { ReferencePrecision } from "#shared/domain/Dataset.ts"
import { Answering, EndpointJudge, MOST_OPPONENTS } from "#shared/domain/EvaluationSettings.ts"
import { Digest, Files } from "#shared/domain/Files.ts"
import { HubSource, missingOfModel } from "#shared/domain/Model.ts"
import { Run } from "#shared/domain/Run.ts"
import { ResponsesByName } from "#shared/domain/WinRate.ts"
import { BASE_WEIGHTS } from "#shared/formats/weights/base-weights.ts"
import { PRODUCT_PRECISIONS } from "#shared/formats/weights/product-precision.ts"
import { DeclaredProbe } from "#shared/gates/gates-declaration.ts"
import { Split } from "./pair-identity.ts"

/** Of every job: whose it is, and the base model's folder; weights that are not stored are at `baseSource`. */
const ofBase = { runId: Schema.String, base: Files, baseSource: Schema.optionalKey(HubSource) }

export const TrainJob = Schema.Struct({
  kind: Schema.Literal("train"),
  ...ofBase,
  /** How the adapter names its base: adapter_config.json's base_model_name_or_path. */
  baseModel: Schema.optionalKey(Schema.String),
  pack: Digest,
  /** The keys of shared/domain/TrainConfig.ts; validated again by the runner. */
  config: Schema.Record(Schema.String, Schema.Unknown),
  /** Tokens to which the dataset's pairs were made; where `config` says the same, nobody asked for it. Absent: not known. */
  maxLength: Schema.optionalKey(Count),
  /** An adapter that training starts from. */
  startFrom: Schema.optionalKey(Files),
  /** Optimiser steps that it may take; absent: any number. */
  mostSteps: Schema.optionalKey(Count),
}).annotate({ identifier: "TrainJob" })
export type TrainJob = typeof TrainJob.Type

/** What an evaluation is of, as it was trained. */
export const judgedFields = {
  adapter: Schema.optionalKey(Files),
  /** Of a full fine-tune: a whole model's, judged in place of the base. */
  model: Schema.optionalKey(Files),
  /** How its base is held and computed with. Absent: the configuration's defaults. */
  baseWeights: Schema.optionalKey(Schema.Literals(BASE_WEIGHTS)),
  precision: Schema.optionalKey(Schema.Literals(PRODUCT_PRECISIONS)),
}
const judged = Schema.Struct(judgedFields)
export type Judged = typeof judged.Type

const isBaseWeights = Schema.is(Schema.Literals(BASE_WEIGHTS))
const isPrecision = Schema.is(Schema.Literals(PRODUCT_PRECISIONS))

/** How a configuration, or what the registry keeps of one, has the base held and computed with. */
export const heldAs = ({
  baseWeights,
  precision,
}: Readonly<Record<string, unknown>>): Pick<Judged, "baseWeights" | "precision"> => ({
  ...(isBaseWeights(baseWeights) ? { baseWeights } : {}),
  ...(isPrecision(precision) ? { precision } : {}),
})

export const EvaluateJob = Schema.Struct({
  kind: Schema.Literal("evaluate"),
  ...ofBase,
  ...judgedFields,
  pack: Digest,
  split: Split,
  /** Asks for how the policy behaves beside its base (shared/gates/behaviour.ts). Absent: for log-probs alone. */
  behaviour: Schema.optionalKey(Schema.Struct({ probes: Schema.Array(DeclaredProbe) })),
}).annotate({ identifier: "EvaluateJob" })
export type EvaluateJob = typeof EvaluateJob.Type

/** Reference log-probs of every pair of a pack without any. */
export const ScoreJob = Schema.Struct({
  kind: Schema.Literal("score"),
  ...ofBase,
  /** Of one shard, so that its pairs have an order. */
  pack: Digest,
  pairs: Count,
  /** Blob: which responses are asked for (score-sheet.ts); what records are held to. */
  sheet: Digest,
  precision: ReferencePrecision,
  /** Fingerprint of the reference: whose log-probs these are to be. */
  reference: Digest,
}).annotate({ identifier: "ScoreJob" })
export type ScoreJob = typeof ScoreJob.Type

/** Whose responses: the base's own, where no adapter is named. */
export const Voice = Schema.Struct({ name: Schema.String, adapter: Schema.optionalKey(Files) })
export type Voice = typeof Voice.Type

/** Responses of a base and adapters of it to the same prompts, side by side. */
export const GenerateJob = Schema.Struct({
  kind: Schema.Literal("generate"),
  ...ofBase,
  /** How the base is held; absent: as stored. */
  baseWeights: Schema.optionalKey(Schema.Literals(BASE_WEIGHTS)),
  voices: Schema.NonEmptyArray(Voice).check(Schema.isMaxLength(1 + MOST_OPPONENTS)),
  /** Blob of a suite (shared/judgement/sources/prompt-suite.ts). */
  prompts: Digest,
  answering: Answering,
}).annotate({ identifier: "GenerateJob" })
export type GenerateJob = typeof GenerateJob.Type

/** Log-probs of responses under a judge, and under its base where that is asked for. */
export const JudgeJob = Schema.Struct({
  kind: Schema.Literal("judge"),
  ...ofBase,
  ...judgedFields,
  readsReference: Schema.Boolean,
  prompts: Digest,
  responses: ResponsesByName,
}).annotate({ identifier: "JudgeJob" })
export type JudgeJob = typeof JudgeJob.Type

/** What a judge behind an endpoint says of responses, pair by pair. */
export const AskJob = Schema.Struct({
  kind: Schema.Literal("ask"),
  runId: Schema.String,
  judge: EndpointJudge,
  prompts: Digest,
  /** Whose responses are held against each of the others'. */
  candidate: Schema.String,
  responses: ResponsesByName,
}).annotate({ identifier: "AskJob" })
export type AskJob = typeof AskJob.Type

export const JobSpec = Schema.Union([TrainJob, EvaluateJob, ScoreJob, GenerateJob, JudgeJob, AskJob])
export type JobSpec = typeof JobSpec.Type

export const LeasedJob = Schema.Struct({
  jobId: Schema.String,
  /** Rises with every lease of a job: a write carrying an older number is refused. */
  fencingToken: Count,
  leaseMs: Count,
  heartbeatMs: Count,
  attempt: Count,
  /** How long the run may still take; the runner stops by itself after that. Absent: not bounded. */
  remainingMs: Schema.optionalKey(Count),
  /** Of a score job: its first pairs whose records are stored already; it goes on behind them. */
  scored: Schema.optionalKey(Count),
  spec: JobSpec,
}).annotate({ identifier: "LeasedJob" })
export type LeasedJob = typeof LeasedJob.Type

/** The files of a trained adapter, as PEFT names them: what the runner uploads and the orchestrator asks for. */
export const ADAPTER_FILES = ["adapter_config.json", "adapter_model.safetensors"] as const

/** What training makes: one of the two. */
export const madeFields = {
  adapter: Schema.optionalKey(Files),
  /** Of a full fine-tune: the files of a model folder. */
  model: Schema.optionalKey(Files),
}
const made = Schema.Struct(madeFields)
export type Made = typeof made.Type

export const filesOfMade = ({ adapter, model }: Made): Files => model ?? adapter ?? {}

/** Why these are not the files that training by a configuration makes; undefined where they are. */
export const faultOfMade = (
  { adapter, model }: Made,
  { loraRank }: Readonly<Record<string, unknown>>,
): string | undefined => {
  const [isFull, files, other] = loraRank === 0 ? [true, model, adapter] : [false, adapter, model]
  if (files === undefined) return `the result has no ${isFull ? "model, and loraRank 0 makes a whole one" : "adapter"}`
  if (other !== undefined)
    return `the result has an adapter and a model, and ${isFull ? "loraRank 0 makes a model" : "a loraRank above 0 makes an adapter"} alone`
  const lacking = isFull ? missingOfModel(files) : ADAPTER_FILES.filter((name) => !Object.hasOwn(files, name))
  return lacking.length === 0 ? undefined : `the ${isFull ? "model" : "adapter"} lacks ${lacking.join(", ")}`
}

export const TrainResult = Schema.Struct({
  kind: Schema.Literal("train"),
  ...madeFields,
  report: Schema.Record(Schema.String, Schema.Unknown),
}).annotate({ identifier: "TrainResult" })
export type TrainResult = typeof TrainResult.Type

export const EvaluateResult = Schema.Struct({
  kind: Schema.Literal("evaluate"),
  /** Blob holding one `Evaluation` (evaluation.ts). */
  evaluation: Digest,
}).annotate({ identifier: "EvaluateResult" })
export type EvaluateResult = typeof EvaluateResult.Type

/** The records are handed in while they are computed: nothing is left to say. */
export const ScoreResult = Schema.Struct({ kind: Schema.Literal("score") }).annotate({ identifier: "ScoreResult" })
export type ScoreResult = typeof ScoreResult.Type

export const GenerateResult = Schema.Struct({
  kind: Schema.Literal("generate"),
  /** By the names of the voices. */
  responses: ResponsesByName,
}).annotate({ identifier: "GenerateResult" })
export type GenerateResult = typeof GenerateResult.Type

export const JudgeResult = Schema.Struct({
  kind: Schema.Literal("judge"),
  /** Blob of answer-scores.ts. */
  scores: Digest,
}).annotate({ identifier: "JudgeResult" })
export type JudgeResult = typeof JudgeResult.Type

export const AskResult = Schema.Struct({
  kind: Schema.Literal("ask"),
  /** Blob of asked-verdicts.ts. */
  verdicts: Digest,
}).annotate({ identifier: "AskResult" })
export type AskResult = typeof AskResult.Type

export const JobResult = Schema.Union([
  TrainResult,
  EvaluateResult,
  ScoreResult,
  GenerateResult,
  JudgeResult,
  AskResult,
])
export type JobResult = typeof JobResult.Type

export const JobProgress = Run.fields.progress.schema
export type JobProgress = typeof JobProgress.Type
