// What a runner asks. It dials out only; every write of a job carries the fencing token of its lease.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { BOUNDS, Count, nameOf, TimeMs, textOf } from "#shared/domain/bounds.ts"
import { JobProgress, JobResult, LeasedJob } from "#shared/wire/job.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { described } from "./described.ts"
import { ARTEFACT, AT_MS, KEPT, METRICS, SCORES } from "./examples.ts"
import { Authorization, BodyGuard, RequiredScopes } from "./middleware.ts"
import { Bytes, StoredBlob, uploadErrors } from "./models.ts"
import { blobParams, fencingHeaders, jobParams } from "./parameters.ts"
import { BodyTooLarge, MalformedJson, NotFound, StaleLease, UnsupportedMedia, UnusableRequest } from "./problems.ts"

export const LeaseRequest = Schema.Struct({
  runnerId: nameOf(BOUNDS.label),
  /** Describes the runner's adapter, for people. */
  adapter: textOf(BOUNDS.sentence),
  /** Long poll; `LIMITS.leaseWaitMs` when absent. */
  waitMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: LIMITS.leaseWaitMs }))),
}).annotate({ identifier: "LeaseRequest" })

const params = jobParams
const firstLine = Count.annotate({ description: "The number of the first line, from 0.", examples: [0] })
const jobErrors = [NotFound, StaleLease, UnusableRequest] as const

export const RunnerJobsApi = HttpApiGroup.make("runner")
  .annotate(OpenApi.Description, "What a runner asks. Every write of a job carries the fencing token of its lease.")
  .add(
    HttpApiEndpoint.post("lease", "/v1/runner/lease", {
      payload: LeaseRequest,
      success: Schema.Struct({ job: Schema.NullOr(LeasedJob) }),
      error: UnusableRequest,
    })
      .middleware(BodyGuard)
      .annotateMerge(
        described(
          "Lease a job",
          "Waits up to 25 s for one. Asking again with the same `runnerId` gives the unfinished job back, under a new fencing token.",
          { body: { runnerId: "runner-1", adapter: "lavapipe", waitMs: 0 }, answer: { job: null } },
        ),
      ),
    HttpApiEndpoint.post("heartbeat", "/v1/runner/jobs/:jobId/heartbeat", {
      params,
      headers: fencingHeaders,
      payload: Schema.Struct({ progress: Schema.optionalKey(JobProgress) }),
      success: Schema.Struct({ leaseExpiresAt: TimeMs }),
      error: jobErrors,
    })
      .middleware(BodyGuard)
      .annotateMerge(
        described("Keep a lease", "Every `heartbeatMs` of the job. A lease lasts `leaseMs` without.", {
          body: { progress: { step: 3, steps: 100, message: "training" } },
          answer: { leaseExpiresAt: AT_MS },
        }),
      ),
    HttpApiEndpoint.post("metrics", "/v1/runner/jobs/:jobId/metrics", {
      params,
      query: {
        fromStep: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: LIMITS.lastStep })).annotate({
          description: "The step of the first line.",
          examples: [1],
        }),
      },
      headers: fencingHeaders,
      payload: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
      success: HttpApiSchema.NoContent,
      error: [...jobErrors, MalformedJson, BodyTooLarge, UnsupportedMedia],
    }).annotateMerge(
      described("Report metrics", "NDJSON, an object a step from step `fromStep` on. Sending it again is harmless.", {
        body: METRICS,
      }),
    ),
    HttpApiEndpoint.post("scores", "/v1/runner/jobs/:jobId/scores", {
      params,
      query: {
        from: Count.annotate({
          description: "The number of the first pair, in the order of the job's pack.",
          examples: [0],
        }),
      },
      headers: fencingHeaders,
      payload: Bytes,
      success: Schema.Struct({ scored: Count }),
      error: [...jobErrors, BodyTooLarge, UnsupportedMedia],
    }).annotateMerge(
      described(
        "Hand in reference log-probs",
        "Of a score job's pairs from pair `from` on: of each its chosen and its rejected response, as a count and that many log-probs, u32 and f32, little-endian. All of them are stored, or none. The answer says how many of the job's first pairs are; sending them again is harmless.",
        { body: SCORES, answer: { scored: 1 } },
      ),
    ),
    HttpApiEndpoint.post("keep", "/v1/runner/jobs/:jobId/kept", {
      params,
      query: { from: firstLine },
      headers: fencingHeaders,
      payload: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
      success: Schema.Struct({ kept: Count }),
      error: [...jobErrors, MalformedJson, BodyTooLarge, UnsupportedMedia],
    }).annotateMerge(
      described(
        "Keep lines of a job",
        "NDJSON, objects of the runner's own from line `from` on: what whoever takes the job up goes on with. The answer says how many lines are kept; sending them again is harmless, and another text for one that is there is refused. They go when the job is completed, or its run ends.",
        { body: KEPT, answer: { kept: 1 } },
      ),
    ),
    HttpApiEndpoint.get("kept", "/v1/runner/jobs/:jobId/kept", {
      params,
      query: { from: firstLine },
      headers: fencingHeaders,
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
      error: jobErrors,
    }).annotateMerge(
      described(
        "Read what a job keeps",
        "NDJSON, some of its lines from line `from` on, by whichever runner holds it; nothing behind the last.",
        { answer: KEPT },
      ),
    ),
    HttpApiEndpoint.put("putArtefact", "/v1/runner/jobs/:jobId/artefacts/:digest", {
      params: { ...params, ...blobParams },
      headers: fencingHeaders,
      payload: Bytes,
      success: StoredBlob,
      error: [...jobErrors, ...uploadErrors],
    }).annotateMerge(
      described("Upload an artefact of a job", "By the digest of its bytes, at most 95 MiB, with a Content-Length.", {
        body: ARTEFACT.text,
        answer: { digest: ARTEFACT.digest, bytes: 7, created: true },
      }),
    ),
    HttpApiEndpoint.post("complete", "/v1/runner/jobs/:jobId/complete", {
      params,
      headers: fencingHeaders,
      payload: Schema.Struct({ result: JobResult }),
      success: HttpApiSchema.NoContent,
      error: jobErrors,
    })
      .middleware(BodyGuard)
      .annotateMerge(
        described("Complete a job", "With what it gave. A job that is done takes its own result again and no other.", {
          body: {
            result: {
              kind: "train",
              adapter: { "adapter_config.json": ARTEFACT.digest, "adapter_model.safetensors": ARTEFACT.digest },
              report: { steps: 100 },
            },
          },
        }),
      ),
    HttpApiEndpoint.post("fail", "/v1/runner/jobs/:jobId/fail", {
      params,
      headers: fencingHeaders,
      payload: Schema.Struct({
        error: textOf(BOUNDS.text),
        retryable: Schema.Boolean,
        /** What is in the way is this runner's own: its memory, its disk, its access to a hub. */
        isBeyondRunner: Schema.optionalKey(Schema.Boolean),
      }),
      success: HttpApiSchema.NoContent,
      error: jobErrors,
    })
      .middleware(BodyGuard)
      .annotateMerge(
        described(
          "Give a job back",
          "With what went wrong. A job is leased at most five times. What is beyond this runner alone (`isBeyondRunner`: its memory, its access to a hub) is given to others, is no attempt, and fails when no runner could do it for a quarter of an hour.",
          { body: { error: "the weights alone need 16.1 GB", retryable: false, isBeyondRunner: true } },
        ),
      ),
  )
  .middleware(Authorization)
  .annotateEndpoints(RequiredScopes, ["runner"])
