// Does one leased job, whatever its kind.
import { Effect } from "effect"
import { FileDamaged } from "#gpu-runner/data/errors.ts"
import type { JobResult } from "#shared/wire/job.ts"
import { askJob } from "./ask-job.ts"
import { discardDamaged } from "./blob-cache.ts"
import { evaluateJob } from "./evaluate-job.ts"
import { generateJob } from "./generate-job.ts"
import type { JobContext, JobExecutor } from "./job-context.ts"
import { JobFailed } from "./job-failure.ts"
import { judgeJob } from "./judge-job.ts"
import type { JobCallFailure, RunnerApi } from "./RunnerApi.ts"
import { scoreJob } from "./score-job.ts"
import { trainJob } from "./train-job.ts"

type Work = Effect.Effect<JobResult, JobFailed | JobCallFailure, RunnerApi>

/** Does the job of `context`. Fails with JobFailed, or with what the gateway says; what was found damaged is fetched by the next try. */
export const executeJob = (executor: JobExecutor, context: JobContext): Work =>
  workOf(executor, context).pipe(
    Effect.tapError((failure) =>
      Effect.sync(() => {
        const cause = failure instanceof JobFailed ? failure.cause : undefined
        if (cause instanceof FileDamaged) discardDamaged(executor, cause)
      }),
    ),
  )

const workOf = (executor: JobExecutor, context: JobContext): Work => {
  const { spec } = context.job
  switch (spec.kind) {
    case "train":
      return trainJob(executor, context, spec)
    case "evaluate":
      return evaluateJob(executor, context, spec)
    case "score":
      return scoreJob(executor, context, spec)
    case "generate":
      return generateJob(executor, context, spec)
    case "judge":
      return judgeJob(executor, context, spec)
    case "ask":
      return askJob(executor, context, spec)
  }
}
