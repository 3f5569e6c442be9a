// The heartbeat of one lease, which carries the job's progress along.
import { Deferred, Effect, Ref, Schedule } from "effect"
import type { JobProgress, LeasedJob } from "#shared/wire/job.ts"
import { LeaseLost, RunnerApi } from "./RunnerApi.ts"

const PROGRESS_INTERVAL_MS = 1000

/**
 * Beats until interrupted: every heartbeat interval, and every second while there is new progress to show. A lease that is lost, or
 * a heartbeat that is refused, fails `lost`. A gateway that is away is no reason to stop the work.
 */
export const keepLease = (
  job: LeasedJob,
  progress: Ref.Ref<JobProgress | undefined>,
  lost: Deferred.Deferred<never, LeaseLost>,
) => {
  let told: JobProgress | undefined
  let beatAtMs = Number.NEGATIVE_INFINITY
  return Effect.gen(function* () {
    const now = yield* Ref.get(progress)
    if (now === told && performance.now() - beatAtMs < job.heartbeatMs) return
    told = now
    beatAtMs = performance.now()
    const api = yield* RunnerApi
    yield* api.heartbeat(job, now).pipe(
      Effect.catchTag("LeaseLost", (error) => Deferred.fail(lost, error)),
      Effect.catchTag("GatewayUnavailable", () => Effect.void),
      Effect.catchTag("CallRefused", (error) =>
        Deferred.fail(lost, new LeaseLost({ jobId: job.jobId, message: error.message })),
      ),
    )
  }).pipe(Effect.repeat(Schedule.spaced(`${Math.min(job.heartbeatMs, PROGRESS_INTERVAL_MS)} millis`)))
}
