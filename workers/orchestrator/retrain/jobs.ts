// A job for the runners, seen from the workflow: posted once, waited for without holding anything, completed by the pool.
import { Effect } from "effect"
import { Activity, DurableDeferred } from "effect/workflow"
import type { JobSpec } from "#shared/wire/job.ts"
import { jobFinished, jobsEnded, RetrainActivities, type RetrainPayload } from "#shared/workflows/retrain.ts"
import { Bindings, poolOf } from "../Environment.ts"
import { call } from "./transient.ts"

/** Posts a job under a name of its own; posting it again changes nothing. */
export const postJob = (runId: string, name: string, spec: JobSpec, limits: RetrainPayload["limits"]) =>
  Activity.make({
    name: `${name}/post`,
    ...RetrainActivities.postJob,
    execute: Effect.gen(function* () {
      const env = yield* Bindings
      yield* call(`post the job "${name}"`, () => poolOf(env).post(runId, name, spec, limits))
      return null
    }),
  })

/** Posts a score job that was cut when `last` was the last one of another run; false where one came since, which may ask for the same. */
export const postScores = (
  runId: string,
  name: string,
  spec: JobSpec,
  limits: RetrainPayload["limits"],
  last: number | undefined,
) =>
  Activity.make({
    name: `${name}/post`,
    ...RetrainActivities.postScores,
    execute: Effect.gen(function* () {
      const env = yield* Bindings
      const isPosted = yield* call(`post the job "${name}"`, () => poolOf(env).post(runId, name, spec, limits, last))
      return isPosted ? null : ("overtaken" as const)
    }),
  }).pipe(Effect.map((outcome) => outcome === null))

/** Suspends the run until none of these jobs of other runs is open. */
export const awaitOthers = Effect.fnUntraced(function* (runId: string, name: string, jobIds: readonly string[]) {
  yield* Activity.make({
    name,
    ...RetrainActivities.follow,
    execute: Effect.gen(function* () {
      const env = yield* Bindings
      yield* call("wait for the jobs of other runs", () => poolOf(env).follow(runId, name, jobIds))
      return null
    }),
  })
  yield* DurableDeferred.await(jobsEnded(name))
})

/** Suspends the run until the job is done; fails with JobFailed. */
export const awaitJob = (name: string) => DurableDeferred.await(jobFinished(name))
