// Why a run's queued job is not worked on, or what it waits for without one, in words.
import type { Refusals } from "./Declined.ts"
import type { JobStore } from "./JobStore.ts"

/** Of a run that waits for jobs of these. */
export const standingBehind = (runIds: readonly string[]): string | null =>
  runIds.length === 0 ? null : `pairs of it are being scored for ${runIds.map((id) => `run "${id}"`).join(", ")}`

type Queued = NonNullable<ReturnType<JobStore["queuedJob"]>>

/** Of a job that runners gave back as beyond them. */
export const standingRefused = (name: string, { reasons, endsAt, mayBeDone }: Refusals): string => {
  const until = mayBeDone
    ? "a runner that is at work on another may do it next"
    : `it ends at ${new Date(endsAt).toISOString()} where none can`
  return `its job "${name}" waits for a runner that can do it; ${until}. ${reasons}`
}

export const standingOf = ({ job, before, availableAt }: Queued): string => {
  const failed = job.error === null ? "" : ` (attempt ${job.attempts} ended: ${job.error})`
  if (availableAt > Date.now())
    return `its job "${job.name}" is handed out again at ${new Date(availableAt).toISOString()}${failed}`
  const others = before === 0 ? "no runner has asked for it yet" : `jobs of other runs that go before it: ${before}`
  return `its job "${job.name}" waits for a runner: ${others}${failed}`
}
