// What a runner asks of the gateway. To a call's failures comes one that it must tell apart: a lease it has lost (stop at once).
import { Context, type Effect, Schema } from "effect"
import type { CallFailure } from "#gpu-runner/client/call-failure.ts"
import type { SentFile } from "#gpu-runner/client/push-file.ts"
import type { FileStart } from "#shared/formats/weights/safetensors-head.ts"
import type { JobProgress, JobResult, LeasedJob } from "#shared/wire/job.ts"
import type { JobFailed } from "./job-failure.ts"

/** Somebody else holds this job now; nothing this runner still writes for it would be accepted. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  jobId: Schema.String,
  message: Schema.String,
}) {}

export type JobCallFailure = CallFailure | LeaseLost

/** The right to write for one job. */
export interface Lease {
  readonly jobId: string
  readonly fencingToken: number
}

/** What may come of a job that failed. */
export interface FailureOutcome {
  readonly retryable: boolean
  /** Others are given it, and it is no attempt. */
  readonly isBeyondRunner?: boolean
}

export class RunnerApi extends Context.Service<
  RunnerApi,
  {
    /** Waits at the gateway for a job; null when none came within its long poll, or within `waitMs`. A call that waits already ends. */
    readonly lease: (runner: {
      readonly runnerId: string
      readonly adapter: string
      readonly waitMs?: number
    }) => Effect.Effect<LeasedJob | null, CallFailure>
    readonly heartbeat: (lease: Lease, progress?: JobProgress) => Effect.Effect<void, JobCallFailure>
    /** Metrics objects, one JSON text each, in order; `fromStep` is the step of the first. */
    readonly metrics: (lease: Lease, fromStep: number, lines: readonly string[]) => Effect.Effect<void, JobCallFailure>
    /** Streams a blob into a file, which appears when it is whole and verified; goes on with what an earlier try left beside it. */
    readonly download: (
      digest: string,
      file: string,
      onBytes?: (bytes: number, total: number) => void,
    ) => Effect.Effect<void, CallFailure | JobFailed>
    /** The beginning of a blob, at most so many bytes. */
    readonly blobStart: (digest: string, bytes: number) => Effect.Effect<FileStart | undefined, CallFailure | JobFailed>
    /** Stores an artefact; returns its digest. Storing the same bytes twice is one artefact. */
    readonly upload: (lease: Lease, bytes: Uint8Array) => Effect.Effect<string, JobCallFailure>
    /** Stores a file, a large one in parts: it is never held whole, and what an earlier try left there is not sent again. */
    readonly uploadFile: (
      lease: Lease,
      file: SentFile,
      onArrived: (thereBytes: number) => void,
    ) => Effect.Effect<void, JobCallFailure | JobFailed>
    /** Log-probs of a score job's pairs from pair `from` on (shared/wire/handed-scores.ts). Handing the same in twice is once. */
    readonly scores: (lease: Lease, from: number, bytes: Uint8Array) => Effect.Effect<void, JobCallFailure>
    /** Lines that the job's next runner goes on with, from line `from` on (shared/wire/kept-lines.ts). Keeping the same twice is once. */
    readonly keep: (lease: Lease, from: number, lines: readonly string[]) => Effect.Effect<void, JobCallFailure>
    /** Some of them from line `from` on, as NDJSON; nothing behind the last. */
    readonly kept: (lease: Lease, from: number) => Effect.Effect<string, JobCallFailure>
    readonly complete: (lease: Lease, result: JobResult) => Effect.Effect<void, JobCallFailure>
    readonly fail: (lease: Lease, error: string, outcome: FailureOutcome) => Effect.Effect<void, JobCallFailure>
  }
>()("yohaku/gpu-runner/RunnerApi") {}
