// The bindings of workers/orchestrator/wrangler.toml, and what its Durable Objects offer each other.
import { Context } from "effect"
import type { Files } from "#shared/domain/Files.ts"
import type { Channel, ChannelPointer, HubSource, ModelKind, ModelVersion } from "#shared/domain/Model.ts"
import type { ResolvedRunLimits } from "#shared/domain/RunLimits.ts"
import type { JobProgress, JobSpec } from "#shared/wire/job.ts"
import type { OrchestratorRpc, RpcResult, ScorerRpc } from "#shared/wire/services.ts"
import type { StoredBlobs } from "./retrain/stored-blobs.ts"

export interface WorkflowStatus {
  readonly status: "running" | "complete"
  readonly attempts: number
  readonly lastError: string | null
  /** JSON of the final exit. */
  readonly result: string | null
  readonly activities: readonly { readonly name: string; readonly starts: number; readonly isFinished: boolean }[]
}

/** One object an execution; its name is the execution's id. */
export interface WorkflowRunRpc {
  start(executionId: string, workflowName: string, payload: string): Promise<{ readonly created: boolean }>
  completeDeferred(name: string, exit: string): Promise<void>
  wake(): Promise<boolean>
  /** Ends the execution without an outcome to report. False: not known here. */
  cancel(): Promise<boolean>
  status(): Promise<WorkflowStatus | undefined>
  /** What its activities have stored of the dataset: also what the run's row does not name. */
  storedBlobs(): Promise<StoredBlobs>
  /** Deletes all that is stored of an execution whose run ended long ago. */
  forget(): Promise<void>
}

/** What a lease allows to be written for. */
export interface HeldJob {
  readonly spec: JobSpec
  /** Of a score job: its first pairs whose records are stored. */
  readonly scored: number
}

/** What a score job asks for, as whoever cuts another is told of it. */
export interface AskedSheet {
  readonly jobId: string
  /** Blob: shared/wire/score-sheet.ts. */
  readonly sheet: string
  /** Of its first pairs: of a job that failed, those that were handed in. */
  readonly pairs: number
  /** One of those that were named. */
  readonly isOwn: boolean
  readonly isOpen: boolean
}

export interface AskedSheets {
  readonly sheets: readonly AskedSheet[]
  /** Of the last job of another run for the reference: none was posted behind it when this was answered. */
  readonly last: number
}

type RunnerCalls =
  | "lease"
  | "heartbeat"
  | "metrics"
  | "keep"
  | "kept"
  | "checkLease"
  | "complete"
  | "fail"
  | "runMetrics"

/** One object for all runners; its name is `pool`. */
export interface RunnerPoolRpc extends Pick<OrchestratorRpc, RunnerCalls> {
  /**
   * Queues a job; a name that the run has used already changes nothing. `limits` are the run's, counted from its first job. False, and not
   * queued: a score job for the same reference, of another run, was posted behind job `last` of `askedSheets`.
   */
  post(runId: string, name: string, spec: JobSpec, limits?: ResolvedRunLimits, last?: number): Promise<boolean>
  /** What jobs for a reference ask for that are open or ended within `settleMs`, and those of the run that are named. */
  askedSheets(runId: string, reference: string, settleMs: number, names: readonly string[]): Promise<AskedSheets>
  /** Completes the run's `jobsEnded(name)` once none of these jobs, of other runs, is open. */
  follow(runId: string, name: string, jobIds: readonly string[]): Promise<void>
  /** The job, where this token holds its lease. `scored`: so many of its first pairs are stored now; more stay noted. */
  held(lease: {
    readonly jobId: string
    readonly fencingToken: number
    readonly scored?: number
  }): Promise<RpcResult<HeldJob>>
  /** Progress of the job that a runner holds for this run. */
  progress(runId: string): Promise<JobProgress | null>
  /** Why the run's open job is not worked on; null where it is, or there is none. */
  standing(runId: string): Promise<string | null>
  /** Takes the run's open job from its runner, and takes no further one of it. */
  cancel(runId: string): Promise<void>
  /** The run is over and posts no further job: those of newer runs need not wait for one. */
  ended(runId: string): Promise<void>
  /** Makes sure that the sweep goes on, and looks at this time at the latest. */
  keepSweeping(at?: number): Promise<void>
  /** Deletes a run's jobs, but for what its metrics are found by. Of a run that ended long ago. */
  forgetJobs(runId: string): Promise<void>
  /** Deletes some of a run's metrics; true when none are left. */
  forgetMetrics(runId: string): Promise<boolean>
}

/** One object; its name is `sweeper`. */
export interface SweeperRpc {
  /** Makes sure that it looks again, at once where that is asked for. */
  wake(isUrgent: boolean): Promise<void>
}

export interface NewVersion {
  readonly name: string
  readonly kind: ModelKind
  readonly files: Files
  readonly base?: { readonly name: string; readonly version: number }
  readonly source?: HubSource
  readonly runId?: string
  readonly metrics: Readonly<Record<string, unknown>>
}

export interface ChannelMove {
  readonly channel: Channel
  readonly version: number
  /** Compare-and-set: the version that the channel must point at (null: at none). Absent: whatever it is. */
  readonly expected?: number | null
  /** A move that was done already under this name is not done again. */
  readonly operation?: string
}

/** One object a model name. */
export interface RegistryRpc {
  register(version: NewVersion): Promise<RpcResult<ModelVersion>>
  /** Whether the name is free for a model of that kind, or has such already. */
  mayBe(name: string, kind: ModelKind): Promise<RpcResult<null>>
  move(name: string, move: ChannelMove): Promise<RpcResult<ChannelPointer>>
  rollback(name: string, operation?: string): Promise<RpcResult<ChannelPointer>>
  channels(name: string): Promise<readonly ChannelPointer[]>
  version(version: number): Promise<ModelVersion | null>
}

/** A class's objects by name, typed by what they promise: the platform's own stub type loses unions and unknowns. */
export interface ObjectsOf<A> {
  getByName(name: string): A
}

export interface Environment {
  readonly DB: D1Database
  readonly BLOBS: R2Bucket
  readonly REFERENCES: KVNamespace
  readonly SCORER: ScorerRpc
  readonly WORKFLOW_RUN: ObjectsOf<WorkflowRunRpc>
  readonly RUNNER_POOL: ObjectsOf<RunnerPoolRpc>
  readonly REGISTRY: ObjectsOf<RegistryRpc>
  readonly SWEEPER: ObjectsOf<SweeperRpc>
  /** How long a lease lasts without a heartbeat, milliseconds; 60 000. */
  readonly YOHAKU_LEASE_MS?: string
  /** How long a job that runners gave back as beyond them waits for one that can do it, milliseconds; 900 000. */
  readonly YOHAKU_DECLINED_MS?: string
  /** First delay after a step broke, milliseconds, doubled each time; 1 000. */
  readonly YOHAKU_RETRY_BASE_MS?: string
  /** How long a write to KV may take to be seen where its absence was seen before, milliseconds; 60 000, as the platform says. */
  readonly YOHAKU_KV_SETTLE_MS?: string
  /** Gates of promotion: workers/orchestrator/retrain/gate-limits.ts, shared/gates/default-rules.ts for the defaults. */
  readonly YOHAKU_GATE_MINIMUM_GAIN?: string
  readonly YOHAKU_GATE_PRODUCTION_TOLERANCE?: string
  readonly YOHAKU_GATE_DRIFT_PER_TOKEN?: string
  readonly YOHAKU_GATE_TAKEN_BACK?: string
  /** Days for which things are kept that nobody needs any more: sweep/Sweeper.ts for the defaults. */
  readonly YOHAKU_KEEP_JOURNALS_DAYS?: string
  readonly YOHAKU_KEEP_METRICS_DAYS?: string
  readonly YOHAKU_KEEP_PACKS_DAYS?: string
  readonly YOHAKU_KEEP_ORPHANS_DAYS?: string
}

/** The bindings, for the workflow's steps. */
export class Bindings extends Context.Service<Bindings, Environment>()("yohaku/orchestrator/Bindings") {}

export const sweeperOf = (env: Pick<Environment, "SWEEPER">) => env.SWEEPER.getByName("sweeper")

export const poolOf = (env: Pick<Environment, "RUNNER_POOL">) => env.RUNNER_POOL.getByName("pool")
