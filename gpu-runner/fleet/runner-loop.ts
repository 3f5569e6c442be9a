// The runner's life: lease a job, do it while a heartbeat keeps the lease, hand in the result, ask again. It dials out only.
// A lost lease ends the job at once; a gateway that cannot be reached is waited for.
import { Cause, Deferred, Effect, Exit, Fiber, Ref, Schedule } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import type { JobProgress, JobResult, LeasedJob } from "#shared/wire/job.ts"
import type { JobContext } from "./job-context.ts"
import { isBeyondRunner, isRetryable, type JobFailed } from "./job-failure.ts"
import { keepLease } from "./keep-lease.ts"
import { MetricsRelay } from "./metrics-relay.ts"
import { type JobCallFailure, LeaseLost, RunnerApi } from "./RunnerApi.ts"

export interface RunnerOptions<R> {
  readonly runnerId: string
  /** The adapter's description, shown in the pool. */
  readonly adapter: string
  readonly execute: (context: JobContext) => Effect.Effect<JobResult, JobFailed | JobCallFailure, R>
  readonly onEvent: (event: RunnerEvent) => void
  /** Awaited before every lease: a runner that cannot work asks for none. */
  readonly whenFit?: Effect.Effect<void>
  /** Ends after this many jobs; endless by default. */
  readonly jobs?: number
}

export type RunnerEvent =
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Started"; readonly job: LeasedJob }
  | { readonly _tag: "Progress"; readonly job: LeasedJob; readonly progress: JobProgress }
  | { readonly _tag: "Finished"; readonly job: LeasedJob; readonly result: JobResult }
  | { readonly _tag: "Failed"; readonly job: LeasedJob; readonly message: string }
  /** Beyond this runner: another is given it, and it counts as no attempt. */
  | { readonly _tag: "GivenBack"; readonly job: LeasedJob; readonly message: string }

/** The gateway ends a run whose time is over; a runner that cannot reach it stops by itself. Either way the last checkpoint stays. */
const untilTimeIsOver = ({ jobId, remainingMs }: LeasedJob, lost: Deferred.Deferred<never, LeaseLost>) =>
  remainingMs === undefined
    ? Effect.void
    : Effect.sleep(remainingMs).pipe(
        Effect.andThen(
          Deferred.fail(lost, new LeaseLost({ jobId, message: "the run has taken all the time that it may" })),
        ),
      )

/** Does one leased job and hands in its result or its failure. */
const runJob = Effect.fn("runJob")(function* <R>(options: RunnerOptions<R>, job: LeasedJob) {
  const api = yield* RunnerApi
  const abort = new AbortController()
  const progress = yield* Ref.make<JobProgress | undefined>(undefined)
  const lost = yield* Deferred.make<never, LeaseLost>()
  const relay = new MetricsRelay()
  options.onEvent({ _tag: "Started", job })

  const heartbeat = yield* Effect.forkChild(keepLease(job, progress, lost))
  const clock = yield* Effect.forkChild(untilTimeIsOver(job, lost))
  const metrics = yield* Effect.forkChild(
    relay.flush(job).pipe(
      Effect.catch(() => Effect.void),
      Effect.repeat(Schedule.spaced("1 second")),
    ),
  )
  const work = options.execute({
    job,
    signal: abort.signal,
    onProgress: (next) => {
      Effect.runSync(Ref.set(progress, next))
      options.onEvent({ _tag: "Progress", job, progress: next })
    },
    onMetrics: (step, values) => relay.push(step, values),
  })
  const outcome = yield* Effect.raceFirst(work, Deferred.await(lost)).pipe(Effect.exit)
  abort.abort()
  yield* Fiber.interruptAll([clock, metrics])
  if (Exit.isSuccess(outcome)) {
    yield* whenReachable(relay.flush(job))
    yield* whenReachable(api.complete(job, outcome.value))
    options.onEvent({ _tag: "Finished", job, result: outcome.value })
  } else {
    yield* reportFailure(options, job, Cause.squash(outcome.cause))
  }
  yield* Fiber.interrupt(heartbeat)
})

const reportFailure = Effect.fn("reportFailure")(function* <R>(
  options: RunnerOptions<R>,
  job: LeasedJob,
  failure: unknown,
) {
  const message = failure instanceof Error ? failure.message : String(failure)
  const isBeyond = isBeyondRunner(failure)
  options.onEvent({ _tag: isBeyond ? "GivenBack" : "Failed", job, message })
  if (failure instanceof LeaseLost) return
  const api = yield* RunnerApi
  const others = isBeyond ? { isBeyondRunner: true } : {}
  yield* whenReachable(api.fail(job, message, { retryable: isRetryable(failure), ...others }))
})

/** As long as an ending runner waits for the gateway to hear of it. */
const LEAVE_WITHIN = "5 seconds"

/**
 * The call that waited stays at the gateway, which would give it the next job, and nobody would do that until its lease is over. A last call
 * that does not wait takes its place; what the first was given meanwhile comes back with it, and is handed on.
 */
const leave = Effect.fn("leave")(function* <R>({ runnerId, adapter }: RunnerOptions<R>) {
  const api = yield* RunnerApi
  const handOn = Effect.gen(function* () {
    const job = yield* api.lease({ runnerId, adapter, waitMs: 0 })
    if (job !== null)
      yield* api.fail(job, "the runner was stopped before it began; another takes the job", { retryable: true })
  })
  yield* Effect.interruptible(handOn).pipe(Effect.timeout(LEAVE_WITHIN), Effect.ignore)
})

/** Leases and does jobs until interrupted, or until `jobs` of them are done. Fails only when the gateway refuses the runner. */
export const runnerLoop = Effect.fn("runnerLoop")(function* <R>(options: RunnerOptions<R>) {
  const api = yield* RunnerApi
  const lease = api.lease({ runnerId: options.runnerId, adapter: options.adapter }).pipe(
    whenReachable,
    Effect.onInterrupt(() => leave(options)),
  )
  options.onEvent({ _tag: "Waiting" })
  for (let done = 0; done < (options.jobs ?? Number.POSITIVE_INFINITY); ) {
    yield* options.whenFit ?? Effect.void
    const job = yield* lease
    if (job === null) continue
    yield* runJob(options, job).pipe(
      Effect.catchTag("LeaseLost", (error) =>
        Effect.sync(() => options.onEvent({ _tag: "Failed", job, message: error.message })),
      ),
    )
    done += 1
    options.onEvent({ _tag: "Waiting" })
  }
})
