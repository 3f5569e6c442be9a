// RunnerApi over HTTP, by the typed client that is derived from the gateway's own API description.
import { createHash } from "node:crypto"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { LIMITS } from "#shared/wire/limits.ts"
import { type GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { type CallFailure, CallRefused, GatewayUnavailable, type Lease, LeaseLost, RunnerApi } from "./RunnerApi.ts"

interface ProblemLike {
  readonly _tag?: string
  readonly status?: number
  readonly detail?: string
  readonly title?: string
  readonly message?: string
  readonly response?: { readonly status?: number }
}

const wordsOf = (problem: ProblemLike): string => problem.detail ?? problem.title ?? problem.message ?? "no explanation"

/** 5xx, 429 and everything below HTTP may pass; what the gateway says about the request itself will not. */
export const toFailure = (error: unknown): CallFailure => {
  const problem = error as ProblemLike
  const status = problem.status ?? problem.response?.status ?? 0
  return status >= 400 && status < 500 && status !== 429
    ? new CallRefused({ status, message: wordsOf(problem) })
    : new GatewayUnavailable({ message: wordsOf(problem) })
}

const call = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailure, R> =>
  Effect.mapError(effect, toFailure)

const jobCall =
  (lease: Lease) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailure | LeaseLost, R> =>
    Effect.mapError(effect, (error) =>
      (error as ProblemLike)._tag === "StaleLease"
        ? new LeaseLost({ jobId: lease.jobId, message: wordsOf(error as ProblemLike) })
        : toFailure(error),
    )

const target = ({ jobId, fencingToken }: Lease) => ({
  params: { jobId },
  headers: { "yohaku-fencing-token": fencingToken },
})

const make = Effect.fnUntraced(function* (gateway: GatewayAddress) {
  const client = yield* makeApiClient(gateway)
  return RunnerApi.of({
    lease: (runner) =>
      call(client.runner.lease({ payload: { ...runner, waitMs: LIMITS.leaseWaitMs } })).pipe(
        Effect.map(({ job }) => job),
      ),
    heartbeat: (lease, progress) =>
      client.runner
        .heartbeat({ ...target(lease), payload: progress === undefined ? {} : { progress } })
        .pipe(jobCall(lease), Effect.asVoid),
    metrics: (lease, fromStep, lines) =>
      client.runner
        .metrics({ ...target(lease), query: { fromStep }, payload: `${lines.join("\n")}\n` })
        .pipe(jobCall(lease)),
    blob: (digest) => call(client.models.getBlob({ params: { digest } })),
    upload: Effect.fnUntraced(function* (lease, bytes) {
      const digest = createHash("sha256").update(bytes).digest("hex")
      const { headers, params } = target(lease)
      yield* client.runner
        .putArtefact({ params: { ...params, digest }, headers, payload: bytes as Uint8Array<ArrayBuffer> })
        .pipe(jobCall(lease))
      return digest
    }),
    complete: (lease, result) => client.runner.complete({ ...target(lease), payload: { result } }).pipe(jobCall(lease)),
    fail: (lease, error, retryable) =>
      client.runner.fail({ ...target(lease), payload: { error, retryable } }).pipe(jobCall(lease)),
  })
})

/** A runner's link to the gateway at `url`. */
export const layerHttp = (options: GatewayAddress) =>
  Layer.effect(RunnerApi, make(options)).pipe(Layer.provide(FetchHttpClient.layer))
