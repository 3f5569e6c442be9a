// How a job fails, and whether another try may help, or another runner: what the gateway decides by.
import { Effect } from "effect"
import { GatewayUnavailable } from "#gpu-runner/client/call-failure.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

export class JobFailed extends taggedError<"JobFailed", { retryable: boolean; isBeyondRunner?: boolean }>(
  "JobFailed",
) {}

/**
 * A lost device may pass, a damaged file is fetched again, and so may an earlier attempt at the same job, still at its last step after its lease was lost;
 * what the data or the configuration causes will not.
 */
const RETRYABLE = new Set([
  "DeviceLost",
  "DeviceUnreliable",
  "GpuOutOfMemory",
  "FolderInUse",
  "NotEnoughSpace",
  "FileDamaged",
  "HubAway",
])

/**
 * What lies with this machine: another runner may have the memory, the disk, the adapter, or the way to the hub. A step that took more of the
 * device than was foreseen is not among them: it is taken up from its checkpoint.
 */
const BEYOND_RUNNER = new Set([
  "ModelTooLarge",
  "NotEnoughMemory",
  "TensorTooLarge",
  "NoAdapter",
  "NotEnoughSpace",
  "HubAway",
  "HubRefused",
])

const isFullDisk = (cause: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes(String((cause as { readonly code?: unknown } | null)?.code))

const wordsOf = (cause: unknown): string => {
  const { message = String(cause) } = (cause ?? {}) as { readonly message?: string }
  return isFullDisk(cause)
    ? `the runner's disk is full (${message}); free some of it, and the job is tried again`
    : message
}

/** An error of ours by its tag; any other (a full disk, a fault of the driver) may pass. */
export const toJobFailed = (cause: unknown): JobFailed => {
  const tag = (cause as { readonly _tag?: unknown } | null)?._tag
  const message = wordsOf(cause)
  if (typeof tag !== "string")
    return new JobFailed(message, { retryable: true, isBeyondRunner: isFullDisk(cause), cause })
  return new JobFailed(message, { retryable: RETRYABLE.has(tag), isBeyondRunner: BEYOND_RUNNER.has(tag), cause })
}

/** The work of a job, its failure a JobFailed. */
export const attempt = <A>(work: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, JobFailed> =>
  Effect.tryPromise({ try: work, catch: toJobFailed })

/** Whether the gateway should lease a job again that ended with this. */
export const isRetryable = (failure: unknown): boolean =>
  failure instanceof JobFailed ? failure.retryable : failure instanceof GatewayUnavailable

/** Whether another runner may do what this one cannot. */
export const isBeyondRunner = (failure: unknown): boolean =>
  failure instanceof JobFailed && failure.isBeyondRunner === true
