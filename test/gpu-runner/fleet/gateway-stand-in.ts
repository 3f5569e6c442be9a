// A stand-in for the gateway in tests of the runner's side: real HTTP requests, answered by handlers that a test can spoil.
import { createHash } from "node:crypto"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import type { LeasedJob } from "#shared/wire/job.ts"

export const GATEWAY = "http://gateway.test"
export const TOKEN = "yhk_test_runner_secret"

export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex")

export const leasedJob = (overrides: Partial<LeasedJob> = {}): LeasedJob => ({
  jobId: "job-1",
  fencingToken: 7,
  leaseMs: 2000,
  heartbeatMs: 20,
  attempt: 1,
  spec: { kind: "train", runId: "run-1", base: {}, pack: sha256("pack"), config: {} },
  ...overrides,
})

export interface Seen {
  readonly authorization: string | null
  readonly fencingToken: string | null
  readonly path: string
  readonly body: string
}

export const problem = (slug: string, status: number, detail: string, more: object = {}) =>
  HttpResponse.json(
    { type: `urn:yohaku:problem:${slug}`, title: slug, status, detail, ...more },
    { status, headers: { "content-type": "application/problem+json" } },
  )

export const staleLease = () => problem("stale-lease", 409, "job-1 was leased again under a higher fencing token")
export const unauthenticated = () => problem("unauthenticated", 401, "send a runner key as a bearer token")

/** A gateway with one job to give. Returns the server and everything it was sent. */
export const standIn = (job: LeasedJob) => {
  const seen: Seen[] = []
  let isLeased = false
  const record = async (request: Request): Promise<void> => {
    seen.push({
      authorization: request.headers.get("authorization"),
      fencingToken: request.headers.get("yohaku-fencing-token"),
      path: new URL(request.url).pathname + new URL(request.url).search,
      body: await request.clone().text(),
    })
  }
  const noContent = async ({ request }: { readonly request: Request }) => {
    await record(request)
    return new HttpResponse(null, { status: 204 })
  }
  const server = setupServer(
    http.post(`${GATEWAY}/v1/runner/lease`, async ({ request }) => {
      await record(request)
      const answer = isLeased ? null : job
      isLeased = true
      return HttpResponse.json({ job: answer })
    }),
    http.post(`${GATEWAY}/v1/runner/jobs/:jobId/heartbeat`, async ({ request }) => {
      await record(request)
      return HttpResponse.json({ leaseExpiresAt: 1 })
    }),
    http.post(`${GATEWAY}/v1/runner/jobs/:jobId/metrics`, noContent),
    http.post(`${GATEWAY}/v1/runner/jobs/:jobId/complete`, noContent),
    http.post(`${GATEWAY}/v1/runner/jobs/:jobId/fail`, noContent),
    http.put(`${GATEWAY}/v1/runner/jobs/:jobId/artefacts/:digest`, async ({ request, params }) => {
      await record(request)
      return HttpResponse.json({
        digest: params.digest,
        bytes: Number(request.headers.get("content-length") ?? 0),
        created: true,
      })
    }),
  )
  const pathsEnding = (suffix: string): readonly Seen[] =>
    seen.filter(({ path }) => path.split("?")[0]!.endsWith(suffix))
  return { server, seen, pathsEnding }
}
