// /v1/runner: leases, heartbeats, metrics, artefacts, results
import { Effect, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { Conflict, MalformedJson, NotFound, StaleLease, type UnusableRequest } from "#shared/api/problems.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { OrchestratorRpc, RpcResult } from "#shared/wire/services.ts"
import { LineSplitter } from "../bulk/lines.ts"
import { receiveBlob } from "../http/blob-transfer.ts"
import { checkMedia, readBody, webRequest } from "../http/bodies.ts"
import { parseStrictJson } from "../http/strict-json.ts"
import { Orchestrator } from "../Orchestrator.ts"

const LINES_MEDIA = ["application/x-ndjson", "application/ndjson", "application/jsonl", "text/plain"]

/** The lines of the body, each one JSON object; `what` they are of, in words. */
const readLines = Effect.fnUntraced(function* (what: string, tooLong: string) {
  const malformed = (line: number, why: string) =>
    new MalformedJson({ detail: `Line ${line} of ${what} is not acceptable JSON: ${why}.` })
  const request = yield* webRequest
  yield* checkMedia(request, LINES_MEDIA)
  const bytes = yield* readBody(request, LIMITS.jsonBodyBytes)
  const splitter = new LineSplitter()
  const lines: string[] = []
  for (const line of [...splitter.push(bytes), ...splitter.end()]) {
    if (line.bytes?.length === 0) continue
    if (line.bytes === undefined) return yield* malformed(line.number, `it is too long; ${tooLong}`)
    const parsed = parseStrictJson(line.bytes)
    if (Result.isFailure(parsed)) return yield* malformed(line.number, parsed.failure)
    const { value } = parsed.success
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return yield* malformed(line.number, "it is no object; send one object of named values a line")
    lines.push(JSON.stringify(value))
  }
  return lines
})

export const RunnerLayer = HttpApiBuilder.group(
  YohakuApi,
  "runner",
  Effect.fnUntraced(function* (handlers) {
    const orchestrator = yield* Orchestrator

    /** One call about a job; a conflict is, for a runner, a lease that it no longer holds. */
    const call = <A>(run: (rpc: OrchestratorRpc) => Promise<RpcResult<A>>) =>
      Effect.mapError(orchestrator.call("job", run), (problem): NotFound | StaleLease | UnusableRequest =>
        problem instanceof Conflict ? new StaleLease({ detail: problem.message }) : problem,
      )

    return handlers
      .handle("lease", ({ payload: { runnerId, adapter, waitMs = LIMITS.leaseWaitMs } }) =>
        call((rpc) => rpc.lease({ runnerId, adapter, waitMs })).pipe(
          Effect.map((job) => ({ job })),
          Effect.catchIf(
            (problem) => problem instanceof NotFound || problem instanceof StaleLease,
            (problem) => Effect.die(problem),
          ),
        ),
      )
      .handle("heartbeat", ({ params: { jobId }, headers, payload }) =>
        call((rpc) => rpc.heartbeat({ jobId, fencingToken: headers["yohaku-fencing-token"], ...payload })),
      )
      .handleRaw(
        "metrics",
        Effect.fnUntraced(function* ({ params: { jobId }, query: { fromStep }, headers }) {
          const lines = yield* readLines("the metrics", "report fewer values")
          yield* call((rpc) => rpc.metrics({ jobId, fencingToken: headers["yohaku-fencing-token"], fromStep, lines }))
        }),
      )
      .handleRaw(
        "scores",
        Effect.fnUntraced(function* ({ params: { jobId }, query: { from }, headers }) {
          const request = yield* webRequest
          yield* checkMedia(request, ["application/octet-stream"])
          const scores = yield* readBody(request, LIMITS.handInBytes)
          const fencingToken = headers["yohaku-fencing-token"]
          return yield* call((rpc) => rpc.handInScores({ jobId, fencingToken, from, scores }))
        }),
      )
      .handleRaw(
        "keep",
        Effect.fnUntraced(function* ({ params: { jobId }, query: { from }, headers }) {
          const lines = yield* readLines("what is kept", "keep less in one")
          const fencingToken = headers["yohaku-fencing-token"]
          return yield* call((rpc) => rpc.keep({ jobId, fencingToken, from, lines }))
        }),
      )
      .handle("kept", ({ params: { jobId }, query: { from }, headers }) =>
        call((rpc) => rpc.kept({ jobId, fencingToken: headers["yohaku-fencing-token"], from })).pipe(
          Effect.map((lines) => lines.map((line) => `${line}\n`).join("")),
        ),
      )
      .handleRaw(
        "putArtefact",
        Effect.fnUntraced(function* ({ params: { jobId, digest }, headers }) {
          const check = call((rpc) => rpc.checkLease({ jobId, fencingToken: headers["yohaku-fencing-token"] }))
          yield* check
          const stored = yield* receiveBlob(digest)
          // The lease may have been lost during the upload: the blob is harmless, but it must not count as delivered.
          yield* check
          return stored
        }),
      )
      .handle("complete", ({ params: { jobId }, headers, payload: { result } }) =>
        Effect.asVoid(call((rpc) => rpc.complete({ jobId, fencingToken: headers["yohaku-fencing-token"], result }))),
      )
      .handle("fail", ({ params: { jobId }, headers, payload }) =>
        Effect.asVoid(call((rpc) => rpc.fail({ jobId, fencingToken: headers["yohaku-fencing-token"], ...payload }))),
      )
  }),
)
