// What a runner asks. It dials out only; every write of a job carries the fencing token of its lease.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Digest } from "#shared/domain/Files.ts"
import { JobProgress, JobResult, LeasedJob } from "#shared/wire/job.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { Authorization, BodyGuard, RequiredScopes } from "./middleware.ts"
import { Bytes, StoredBlob, uploadErrors } from "./models.ts"
import { fencingHeaders } from "./parameters.ts"
import { BodyTooLarge, MalformedJson, NotFound, StaleLease, UnsupportedMedia, UnusableRequest } from "./problems.ts"

export const LeaseRequest = Schema.Struct({
  runnerId: Schema.NonEmptyString.check(Schema.isMaxLength(200)),
  /** Describes the runner's adapter, for people. */
  adapter: Schema.String.check(Schema.isMaxLength(1000)),
  /** Long poll; `LIMITS.leaseWaitMs` when absent. */
  waitMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: LIMITS.leaseWaitMs }))),
})

const params = { jobId: Schema.String }
const jobErrors = [NotFound, StaleLease, UnusableRequest] as const

export const RunnerJobsApi = HttpApiGroup.make("runner")
  .add(
    HttpApiEndpoint.post("lease", "/v1/runner/lease", {
      payload: LeaseRequest,
      success: Schema.Struct({ job: Schema.NullOr(LeasedJob) }),
      error: UnusableRequest,
    }).middleware(BodyGuard),
    HttpApiEndpoint.post("heartbeat", "/v1/runner/jobs/:jobId/heartbeat", {
      params,
      headers: fencingHeaders,
      payload: Schema.Struct({ progress: Schema.optionalKey(JobProgress) }),
      success: Schema.Struct({ leaseExpiresAt: Schema.Int }),
      error: jobErrors,
    }).middleware(BodyGuard),
    HttpApiEndpoint.post("metrics", "/v1/runner/jobs/:jobId/metrics", {
      params,
      query: { fromStep: Schema.Int },
      headers: fencingHeaders,
      payload: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
      success: HttpApiSchema.NoContent,
      error: [...jobErrors, MalformedJson, BodyTooLarge, UnsupportedMedia],
    }),
    HttpApiEndpoint.put("putArtefact", "/v1/runner/jobs/:jobId/artefacts/:digest", {
      params: { ...params, digest: Digest },
      headers: fencingHeaders,
      payload: Bytes,
      success: StoredBlob,
      error: [...jobErrors, ...uploadErrors],
    }),
    HttpApiEndpoint.post("complete", "/v1/runner/jobs/:jobId/complete", {
      params,
      headers: fencingHeaders,
      payload: Schema.Struct({ result: JobResult }),
      success: HttpApiSchema.NoContent,
      error: jobErrors,
    }).middleware(BodyGuard),
    HttpApiEndpoint.post("fail", "/v1/runner/jobs/:jobId/fail", {
      params,
      headers: fencingHeaders,
      payload: Schema.Struct({ error: Schema.String, retryable: Schema.Boolean }),
      success: HttpApiSchema.NoContent,
      error: jobErrors,
    }).middleware(BodyGuard),
  )
  .middleware(Authorization)
  .annotateEndpoints(RequiredScopes, ["runner"])
