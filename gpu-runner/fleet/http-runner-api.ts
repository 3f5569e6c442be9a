// RunnerApi over HTTP, by the typed client that is derived from the gateway's own API description.
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { type GatewayAddress, makeApiClient } from "#gpu-runner/client/ApiClient.ts"
import {
  type CallFailure,
  CallRefused,
  GatewayUnavailable,
  type ProblemLike,
  SILENT_MS,
  tellingOfSilence,
  toCallFailure,
  wordsOf,
} from "#gpu-runner/client/call-failure.ts"
import { FileUnsendable, sendFile } from "#gpu-runner/client/push-file.ts"
import { readWholeFile, sha256 } from "#gpu-runner/data/files.ts"
import { firstBytes } from "#gpu-runner/data/first-bytes.ts"
import { transferFile } from "#gpu-runner/data/transfer.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { blobSource } from "./blob-source.ts"
import { JobFailed, toJobFailed } from "./job-failure.ts"
import { type JobCallFailure, type Lease, LeaseLost, RunnerApi } from "./RunnerApi.ts"

const call = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailure, R> =>
  Effect.mapError(effect, toCallFailure)

const jobCall =
  (lease: Lease) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, JobCallFailure, R> =>
    Effect.mapError(effect, (error) =>
      (error as ProblemLike)._tag === "StaleLease"
        ? new LeaseLost({ jobId: lease.jobId, message: wordsOf(error as ProblemLike) })
        : toCallFailure(error),
    )

const target = ({ jobId, fencingToken }: Lease) => ({
  params: { jobId },
  headers: { "yohaku-fencing-token": fencingToken },
})

/** Of one large file. */
const PARTS_AT_ONCE = 4

const toUploadFailure = (failure: CallFailure | FileUnsendable, { jobId }: Lease): JobCallFailure | JobFailed => {
  if (failure instanceof FileUnsendable) return new JobFailed(failure.message, { retryable: false, cause: failure })
  const isLost = failure instanceof CallRefused && failure.problem === "StaleLease"
  return isLost ? new LeaseLost({ jobId, message: failure.message }) : failure
}

const toBlobFailure = (error: unknown): CallFailure | JobFailed =>
  error instanceof CallRefused || error instanceof GatewayUnavailable ? error : toJobFailed(error)

const make = Effect.fnUntraced(function* (gateway: GatewayAddress) {
  const client = yield* makeApiClient(gateway)
  const upload = Effect.fnUntraced(function* (lease: Lease, bytes: Uint8Array) {
    const digest = sha256(bytes)
    const { headers, params } = target(lease)
    yield* client.runner
      .putArtefact({ params: { ...params, digest }, headers, payload: bytes as Uint8Array<ArrayBuffer> })
      .pipe(jobCall(lease))
    return digest
  })
  return RunnerApi.of({
    lease: (runner) =>
      call(client.runner.lease({ payload: { waitMs: LIMITS.leaseWaitMs, ...runner } })).pipe(
        Effect.map(({ job }) => job),
        (leasing) => tellingOfSilence(leasing, { silentMs: LIMITS.leaseWaitMs + SILENT_MS }),
      ),
    heartbeat: (lease, progress) =>
      client.runner
        .heartbeat({ ...target(lease), payload: progress === undefined ? {} : { progress } })
        .pipe(jobCall(lease), Effect.asVoid, tellingOfSilence),
    metrics: (lease, fromStep, lines) =>
      client.runner
        .metrics({ ...target(lease), query: { fromStep }, payload: `${lines.join("\n")}\n` })
        .pipe(jobCall(lease), tellingOfSilence),
    download: (digest, file, onBytes) =>
      Effect.tryPromise({
        try: (signal) =>
          transferFile({ path: digest, algorithm: "sha256", digest }, file, {
            ...{ source: blobSource(gateway, digest), signal, onBytes },
            // Whoever calls waits for a gateway that is away; a connection that only broke is taken up at once.
            ...{ fruitlessTries: 2, retryDelayMs: 250 },
          }),
        catch: toBlobFailure,
      }),
    blobStart: (digest, bytes) =>
      Effect.tryPromise({
        try: (signal) => firstBytes(blobSource(gateway, digest), bytes, signal),
        catch: toBlobFailure,
      }),
    upload,
    uploadFile: (lease, file, onArrived) =>
      file.bytes <= LIMITS.leastPartBytes
        ? Effect.suspend(() => upload(lease, readWholeFile(file.path))).pipe(Effect.asVoid)
        : sendFile(
            {
              ...{ ...gateway, client, lease, parallel: PARTS_AT_ONCE },
              onArrived: (_, thereBytes) => onArrived(thereBytes),
            },
            file,
          ).pipe(Effect.mapError((failure) => toUploadFailure(failure, lease))),
    scores: (lease, from, bytes) =>
      client.runner
        .scores({ ...target(lease), query: { from }, payload: bytes as Uint8Array<ArrayBuffer> })
        .pipe(jobCall(lease), Effect.asVoid),
    keep: (lease, from, lines) =>
      client.runner
        .keep({ ...target(lease), query: { from }, payload: `${lines.join("\n")}\n` })
        .pipe(jobCall(lease), Effect.asVoid, tellingOfSilence),
    kept: (lease, from) =>
      client.runner.kept({ ...target(lease), query: { from } }).pipe(jobCall(lease), tellingOfSilence),
    complete: (lease, result) =>
      client.runner.complete({ ...target(lease), payload: { result } }).pipe(jobCall(lease), tellingOfSilence),
    fail: (lease, error, outcome) =>
      client.runner.fail({ ...target(lease), payload: { error, ...outcome } }).pipe(jobCall(lease), tellingOfSilence),
  })
})

/** A runner's link to the gateway at `url`. */
export const layerHttp = (options: GatewayAddress) =>
  Layer.effect(RunnerApi, make(options)).pipe(Layer.provide(FetchHttpClient.layer))
