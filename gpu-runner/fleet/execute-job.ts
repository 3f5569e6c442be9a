// Does one leased job, whatever its kind.
import { evaluateJob } from "./evaluate-job.ts"
import type { JobContext, JobExecutor } from "./job-context.ts"
import { scoreJob } from "./score-job.ts"
import { trainJob } from "./train-job.ts"

/** Does the job of `context`. Fails with JobFailed, or with what the gateway says. */
export const executeJob = (executor: JobExecutor, context: JobContext) => {
  const { spec } = context.job
  switch (spec.kind) {
    case "train":
      return trainJob(executor, context, spec)
    case "evaluate":
      return evaluateJob(executor, context, spec)
    case "score":
      return scoreJob(executor, context, spec)
  }
}
