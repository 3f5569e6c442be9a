// What the workers ask of each other over service bindings (RPC). An error crosses as a tagged value, never as a thrown
// exception, because classes do not survive the crossing.
import type { ModelReference, PromptForm, Reference, ReferencePlace } from "#shared/domain/Dataset.ts"
import type { EvaluationSettings } from "#shared/domain/EvaluationSettings.ts"
import type { Files } from "#shared/domain/Files.ts"
import type { Channel, ChannelPointer, HubSource, ModelVersion } from "#shared/domain/Model.ts"
import type { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import type { PromotionPolicy, Run, RunDetail, TriggerSource } from "#shared/domain/Run.ts"
import type { RunLimits } from "#shared/domain/RunLimits.ts"
import type { AutomaticRuns } from "#shared/domain/Trigger.ts"
import type { JobProgress, JobResult, LeasedJob } from "./job.ts"

export type RpcResult<A> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly error: RpcError }

export interface RpcError {
  readonly _tag: "NotFound" | "Conflict" | "StaleLease" | "Invalid" | "Unavailable"
  /** One sentence that says what is wrong and how to mend it. */
  readonly message: string
}

/** A message of the ingest queue: ids only, the body is in D1 and R2. */
export interface IngestMessage {
  readonly comparisonId: string
}

/** Of responses, as a run shows it. */
export type ScoreReport = Pick<NonNullable<RunDetail["score"]>, "computed" | "fromCache">

/** A base model's files, and how a dataset would use them, where it is for one. */
export interface ReferenceUse {
  readonly files: Files
  readonly promptForm?: PromptForm
  readonly systemText?: string
  /** The longest row that is to be scored, in tokens. */
  readonly maxLength?: number
  /** Where it is to be computed; absent: decided by what fits. */
  readonly place?: ReferencePlace
  /** Absent: as stored. */
  readonly precision?: Reference["precision"]
}

/** Where a base model's log-probs are computed, and how long its rows may be. */
export interface CheckedReference extends Reference {
  /** The longest sequence that the model was made for. */
  readonly maxPositions: number
}

/** `workers/scorer`, entrypoint `Scorer`. */
export interface ScorerRpc {
  /** Makes sure that every named pair's reference log-probs are in KV. At most `LIMITS.pairsPerScoring` pairs a call. */
  score(input: { readonly datasetId: string; readonly pairIds: readonly string[] }): Promise<RpcResult<ScoreReport>>
  /**
   * Loads a base model's files and says where its log-probs are computed: at the edge where one known sequence was scored there. Or says
   * what is in the way of using the model so.
   */
  checkReference(input: ReferenceUse): Promise<RpcResult<CheckedReference>>
}

export interface TriggerInput {
  readonly datasetId: string
  readonly trigger: TriggerSource
  /** Two triggers with the same dataset and key are one run, for ever. */
  readonly key: string
  /** Overrides of the dataset's training options. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly promotion?: PromotionPolicy
  /** The adapter's name in the registry; the dataset's id by default. */
  readonly modelName?: string
  /** An adapter of the registry that training starts from; the base alone by default. */
  readonly startFrom?: ModelReference
  /** Whether comparisons that came before it are waited for; true. */
  readonly waitForIngest?: boolean
  /** In place of the dataset's. */
  readonly limits?: RunLimits
  /** A run of its own, though an identical one is under way. */
  readonly force?: boolean
}

/** What a trigger came to. */
export interface TriggeredRun {
  readonly runId: string
  /** False where the run was there. */
  readonly created: boolean
  /** How the run ended, where it has, and why. */
  readonly status?: Exclude<Run["status"], "running">
  readonly error?: string
}

/** What is asked of a model. */
export interface EvaluationInput extends EvaluationSettings {
  readonly modelName: string
  readonly version: number
  /** Two requests of one model and key are one evaluation, for ever. */
  readonly key: string
  /** Absent: what production serves, where that is another version, and the model's base. */
  readonly against?: readonly ModelReference[]
}

export interface StartedEvaluation {
  readonly evaluationId: string
  /** False where it was there. */
  readonly created: boolean
}

/** `workers/orchestrator`, entrypoint `Orchestrator`. */
export interface OrchestratorRpc {
  trigger(input: TriggerInput): Promise<RpcResult<TriggeredRun>>
  getRun(runId: string): Promise<RpcResult<Run>>
  /** Ends a run that is under way: its job is taken from its runner, and no step of it begins any more. */
  cancelRun(runId: string): Promise<RpcResult<Run>>
  /** Why the dataset's next run starts by itself, or does not. */
  automaticRuns(datasetId: string): Promise<RpcResult<AutomaticRuns>>
  /** Called by the scorer after pairs became ready; starts a run when the dataset's threshold is reached. */
  pairsReady(datasetId: string): Promise<RpcResult<{ readonly runId: string | null }>>

  evaluate(input: EvaluationInput): Promise<RpcResult<StartedEvaluation>>
  getEvaluation(input: { readonly modelName: string; readonly id: string }): Promise<RpcResult<ModelEvaluation>>
  /** Ends an evaluation that is under way, as `cancelRun` does a run. */
  cancelEvaluation(input: { readonly modelName: string; readonly id: string }): Promise<RpcResult<ModelEvaluation>>
  /** Whether a dataset's runs could be evaluated so. */
  checkEvaluation(input: EvaluationSettings): Promise<RpcResult<null>>

  /** Makes sure that what is no longer needed is deleted some time, `isUrgent`: begins now; and that looks are made that were asked for. */
  sweep(input: { readonly isUrgent: boolean }): Promise<RpcResult<null>>

  /** Waits up to `waitMs` (at most `LIMITS.leaseWaitMs`) for a job. A runner that asks again gets its own unfinished job back first, under a new fencing token. */
  lease(input: {
    readonly runnerId: string
    readonly waitMs: number
    readonly adapter: string
  }): Promise<RpcResult<LeasedJob | null>>
  heartbeat(input: {
    readonly jobId: string
    readonly fencingToken: number
    readonly progress?: JobProgress
  }): Promise<RpcResult<{ readonly leaseExpiresAt: number }>>
  /** One metrics object a line, in order; `fromStep` makes a repeated batch harmless. */
  metrics(input: {
    readonly jobId: string
    readonly fencingToken: number
    readonly fromStep: number
    readonly lines: readonly string[]
  }): Promise<RpcResult<null>>
  /**
   * Log-probs of a score job's pairs from pair `from` on (handed-scores.ts): checked, then stored, all or none. Answers how many of its
   * first pairs are stored now. What is sent again changes nothing.
   */
  handInScores(input: {
    readonly jobId: string
    readonly fencingToken: number
    readonly from: number
    readonly scores: Uint8Array
  }): Promise<RpcResult<{ readonly scored: number }>>
  /**
   * Lines of JSON that the job's next runner goes on with, from line `from` on. Answers how many are kept then; what is sent again changes
   * nothing. They go when the job is completed, or its run ends.
   */
  keep(input: {
    readonly jobId: string
    readonly fencingToken: number
    readonly from: number
    readonly lines: readonly string[]
  }): Promise<RpcResult<{ readonly kept: number }>>
  /** Some of them, from line `from` on; none behind the last. */
  kept(input: {
    readonly jobId: string
    readonly fencingToken: number
    readonly from: number
  }): Promise<RpcResult<readonly string[]>>
  /** Says whether this fencing token may still write artefacts. */
  checkLease(input: { readonly jobId: string; readonly fencingToken: number }): Promise<RpcResult<null>>
  complete(input: {
    readonly jobId: string
    readonly fencingToken: number
    readonly result: JobResult
  }): Promise<RpcResult<null>>
  fail(input: {
    readonly jobId: string
    readonly fencingToken: number
    readonly error: string
    readonly retryable: boolean
    /** What is in the way is this runner's: others are given the job, and it counts as no attempt. */
    readonly isBeyondRunner?: boolean
  }): Promise<RpcResult<null>>
  runMetrics(runId: string): Promise<RpcResult<readonly string[]>>

  /** Whether `registerModel` would take the name: asked before files are looked for, so that none is sent for a name that is taken. */
  checkModelName(input: { readonly name: string; readonly kind: "base" }): Promise<RpcResult<null>>
  registerModel(input: {
    readonly name: string
    readonly kind: "base"
    readonly files: Files
    readonly source?: HubSource
  }): Promise<RpcResult<ModelVersion>>
  /** As the scorer's. */
  checkReference(input: ReferenceUse): Promise<RpcResult<CheckedReference>>
  moveChannel(input: {
    readonly name: string
    readonly channel: Channel
    readonly version: number
    readonly operation?: string
  }): Promise<RpcResult<ChannelPointer>>
  /** `operation`: under the same name it is done once, here and in moveChannel. */
  rollback(input: { readonly name: string; readonly operation?: string }): Promise<RpcResult<ChannelPointer>>
  channels(name: string): Promise<RpcResult<readonly ChannelPointer[]>>
}
