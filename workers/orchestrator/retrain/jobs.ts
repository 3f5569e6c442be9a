// A job for the runners, seen from the workflow: posted once, waited for without holding anything, completed by the pool.
import { Effect } from "effect"
import { Activity, DurableDeferred } from "effect/workflow"
import type { JobSpec } from "#shared/wire/job.ts"
import { jobFinished, RetrainActivities, type RetrainPayload } from "#shared/workflows/retrain.ts"
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

/** Suspends the run until the job is done; fails with JobFailed. */
export const awaitJob = (name: string) => DurableDeferred.await(jobFinished(name))
