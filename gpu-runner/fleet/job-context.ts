// What a job is given to work with.
import { Effect } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import type { Asking } from "#gpu-runner/client/judge/ask-judge.ts"
import type { SentFile } from "#gpu-runner/client/push-file.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { JobProgress, LeasedJob } from "#shared/wire/job.ts"
import type { FileStore } from "./blob-cache.ts"
import { RunnerApi } from "./RunnerApi.ts"

/** One leased job. `signal` is aborted when the lease is lost; nothing done after that counts. */
export interface JobContext {
  readonly job: LeasedJob
  readonly signal: AbortSignal
  readonly onProgress: (progress: JobProgress) => void
  /** One metrics object of an optimiser step. */
  readonly onMetrics: (step: number, metrics: Readonly<Record<string, unknown>>) => void
}

export interface JudgeAccess {
  readonly url: string
  readonly apiKey: string | undefined
  /** Waits; a test's does not. */
  readonly sleep?: Asking["sleep"]
}

/** What of the machine every job uses. */
export interface JobExecutor extends FileStore {
  /** How long responses are gathered before a call that keeps them; as is usual. */
  readonly keptEveryMs?: number
  /** The endpoint whose judges this runner may ask; absent: none. */
  readonly judge?: JudgeAccess | undefined
  /** Opened again after the device was lost. */
  readonly device: () => Promise<GpuDevice>
}

/** Stores a file that came of a job; a large one is never held whole, and goes on where an earlier try stopped. */
export const uploadFile = Effect.fn("uploadFile")(function* (
  { job }: JobContext,
  file: SentFile,
  onArrived: (thereBytes: number) => void,
) {
  const api = yield* RunnerApi
  yield* whenReachable(api.uploadFile(job, file, onArrived))
})

/** Stores what came of a job; returns its digest. */
export const uploadArtefact = Effect.fn("uploadArtefact")(function* ({ job }: JobContext, bytes: Uint8Array) {
  const api = yield* RunnerApi
  return yield* whenReachable(api.upload(job, bytes))
})
