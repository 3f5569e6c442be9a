// Does one leased job, whatever its kind.
import { evaluateJob } from "./evaluate-job.ts"
import type { JobContext, JobExecutor } from "./job-context.ts"
import { trainJob } from "./train-job.ts"

/** Does the job of `context`. Fails with JobFailed, or with what the gateway says. */
export const executeJob = (executor: JobExecutor, context: JobContext) => {
  const { spec } = context.job
  return spec.kind === "train" ? trainJob(executor, context, spec) : evaluateJob(executor, context, spec)
}
