// How a job fails, and whether another try may help: what the gateway decides by.
import { Effect } from "effect"
import { GatewayUnavailable } from "#gpu-runner/client/call-failure.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

export class JobFailed extends taggedError<"JobFailed", { retryable: boolean }>("JobFailed") {}

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
  "HubUnreachable",
])

const wordsOf = (cause: unknown): string => {
  const { code, message = String(cause) } = (cause ?? {}) as { readonly code?: unknown; readonly message?: string }
  return code === "ENOSPC" || code === "EDQUOT"
    ? `the runner's disk is full (${message}); free some of it, and the job is tried again`
    : message
}

/** An error of ours by its tag; any other (a full disk, a fault of the driver) may pass. */
export const toJobFailed = (cause: unknown): JobFailed => {
  const tag = (cause as { readonly _tag?: unknown } | null)?._tag
  const message = wordsOf(cause)
  return new JobFailed(message, { retryable: typeof tag !== "string" || RETRYABLE.has(tag), cause })
}

/** The work of a job, its failure a JobFailed. */
export const attempt = <A>(work: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, JobFailed> =>
  Effect.tryPromise({ try: work, catch: toJobFailed })

/** Whether the gateway should lease a job again that ended with this. */
export const isRetryable = (failure: unknown): boolean =>
  failure instanceof JobFailed ? failure.retryable : failure instanceof GatewayUnavailable
