import { beforeEach, describe, expect, it } from "vitest"
import { SCORES } from "#shared/api/examples.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { bindings, call, makeKey, type Options, octets, orchestrator, type Problem, startWorld } from "./world.ts"

const JOB = {
  jobId: "job-1",
  leaseMs: 60_000,
  heartbeatMs: 15_000,
  attempt: 1,
  spec: { kind: "train", runId: "run-1", base: {}, pack: "0".repeat(64), config: {} },
}
const PATH = "/v1/runner/jobs/job-1"

let key: string

beforeEach(async () => {
  await startWorld()
  await orchestrator.offer(JOB)
  key = await makeKey("runner")
})

const lease = (changes: object = {}) =>
  call<{ job: { fencingToken: number } | null }>("POST", "/v1/runner/lease", {
    key,
    json: { runnerId: "r1", adapter: "lavapipe", waitMs: 0, ...changes },
  })

const write = <A = Problem>(path: string, token: number, options: Options, method = "POST") =>
  call<A>(method, `${PATH}${path}`, {
    key,
    ...options,
    headers: { "yohaku-fencing-token": String(token), ...options.headers },
  })

const METRICS = { "content-type": "application/x-ndjson" }

/** Every call about a job. */
const writes = (token: number) => [
  () => write("/heartbeat", token, { json: { progress: { step: 1, steps: 2 } } }),
  () => write("/metrics?fromStep=1", token, { raw: '{"step":1}\n', headers: METRICS }),
  () => write("/scores?from=3", token, { raw: SCORES, headers: octets(SCORES.length) }),
  () => write("/kept?from=0", token, { raw: '{"line":0}\n', headers: METRICS }),
  () => write("/kept?from=0", token, {}, "GET"),
  async () =>
    write(
      `/artefacts/${await sha256Hex("adapter")}`,
      token,
      { raw: new TextEncoder().encode("adapter"), headers: octets(7) },
      "PUT",
    ),
  () => write("/complete", token, { json: { result: { kind: "train", adapter: {}, report: {} } } }),
  () => write("/fail", token, { json: { error: "it is too large", retryable: false, isBeyondRunner: true } }),
]

describe("a runner", () => {
  it("leases a job, beats, reports, uploads and completes it", async () => {
    const { value } = await lease()
    expect(value).toEqual({ job: { ...JOB, fencingToken: 1 } })
    const statuses = []
    for (const run of writes(1)) statuses.push((await run()).status)
    expect(statuses).toEqual([200, 204, 200, 200, 200, 200, 204, 204])
    const stored = await bindings.BLOBS.get(`blobs/${await sha256Hex("adapter")}`)
    expect(await stored!.text()).toBe("adapter")
    expect((await call("GET", "/v1/runs/run-1/metrics")).text).toBe('{"step":1}\n')
  })

  it("is told what the orchestrator was: the heartbeat's progress, the metrics' first step", async () => {
    await lease()
    await write("/heartbeat", 1, { json: { progress: { step: 3, steps: 9, message: "training" } } })
    await write("/metrics?fromStep=4", 1, { raw: '{"step":4}\n{"step":5}', headers: METRICS })
    const stored = await write("/scores?from=3", 1, { raw: SCORES, headers: octets(SCORES.length) })
    expect(stored.value).toEqual({ scored: 4 })
    const failed = { error: "it is too large", retryable: false, isBeyondRunner: true }
    await write("/fail", 1, { json: failed })
    expect(await orchestrator.calls()).toEqual(
      expect.arrayContaining([
        ["fail", { jobId: "job-1", fencingToken: 1, ...failed }],
        ["heartbeat", { jobId: "job-1", fencingToken: 1, progress: { step: 3, steps: 9, message: "training" } }],
        ["metrics", { jobId: "job-1", fencingToken: 1, fromStep: 4, lines: ['{"step":4}', '{"step":5}'] }],
        ["handInScores", { jobId: "job-1", fencingToken: 1, from: 3, bytes: 16 }],
      ]),
    )
  })

  it("keeps lines for whoever takes the job up, who reads them from where it asks", async () => {
    await lease()
    const kept = await write("/kept?from=0", 1, { raw: '{"a":1}\n{"b":[2]}\n', headers: METRICS })
    expect([kept.status, kept.value]).toEqual([200, { kept: 2 }])
    await lease({ runnerId: "r2" })
    const read = async (from: number) => (await write(`/kept?from=${from}`, 2, {}, "GET")).text
    expect([await read(0), await read(1), await read(2)]).toEqual(['{"a":1}\n{"b":[2]}\n', '{"b":[2]}\n', ""])
    const broken = await write("/kept?from=2", 2, { raw: "[1]\n", headers: METRICS })
    expect([broken.status, broken.value.detail]).toEqual([
      400,
      "Line 1 of what is kept is not acceptable JSON: it is no object; send one object of named values a line.",
    ])
    expect((await write("/kept?from=-1", 2, {}, "GET")).status).toBe(400)
  })

  it("gets null when there is no job", async () => {
    await orchestrator.offer(undefined)
    expect((await lease()).value).toEqual({ job: null })
  })

  it("is refused with 409 StaleLease on every write once another holds the job, and stores nothing", async () => {
    await lease()
    await lease({ runnerId: "r2" })
    for (const run of writes(1)) {
      const { status, value } = await run()
      expect([status, value.type]).toEqual([409, "urn:yohaku:problem:stale-lease"])
    }
    expect(await bindings.BLOBS.head(`blobs/${await sha256Hex("adapter")}`)).toBeNull()
    expect((await call("GET", "/v1/runs/run-1/metrics")).text).toBe("")
  })

  it("sends a file in parts while it holds the job, and is refused at every call once another has it", async () => {
    await lease()
    const digest = await sha256Hex("model")
    const held = { "yohaku-job": "job-1", "yohaku-fencing-token": "1" }
    const begin = (headers: Record<string, string> = held) =>
      call<Problem & { uploadId: string }>("POST", "/v1/uploads", { key, json: { digest, bytes: 5 }, headers })
    const { uploadId } = (await begin()).value
    const put = () =>
      call<Problem>("PUT", `/v1/uploads/${uploadId}/parts/1`, {
        ...{ key, raw: new TextEncoder().encode("model") },
        headers: { ...octets(5), ...held },
      })
    const complete = () => call<Problem>("POST", `/v1/uploads/${uploadId}/complete`, { key, headers: held })
    expect((await put()).value).toEqual({ number: 1, bytes: 5 })
    await lease({ runnerId: "r2" })
    for (const refused of [await begin(), await put(), await complete()])
      expect([refused.status, refused.value.type]).toEqual([409, "urn:yohaku:problem:stale-lease"])
    expect(await bindings.BLOBS.head(`blobs/${digest}`)).toBeNull()
    // Who holds the job goes on with what is there.
    expect((await begin({ ...held, "yohaku-fencing-token": "2" })).value).toMatchObject({ uploadId, parts: [1] })
    expect((await begin({ "yohaku-job": "job-1" })).value).toMatchObject({
      ...{ status: 422, detail: "Send yohaku-job and yohaku-fencing-token together, or neither." },
    })
  })

  it.each([
    ["StaleLease", 409, "stale-lease"],
    ["Conflict", 409, "stale-lease"],
    ["NotFound", 404, "not-found"],
    ["Invalid", 422, "unusable-request"],
    ["Unavailable", 503, "unavailable"],
    ["throw", 503, "unavailable"],
  ] as const)("hears of a heartbeat that the orchestrator refuses as %s: %d %s", async (failure, status, problem) => {
    await lease()
    await orchestrator.failNext(failure)
    const refused = await write("/heartbeat", 1, { json: {} })
    expect([refused.status, refused.value.type]).toEqual([status, `urn:yohaku:problem:${problem}`])
    expect((await write("/heartbeat", 1, { json: {} })).value).toEqual({ leaseExpiresAt: 61_000 })
  })

  it("is refused when the lease was lost during an upload", async () => {
    await lease()
    const digest = await sha256Hex("adapter")
    const slow = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await lease({ runnerId: "r2" })
        controller.enqueue(new TextEncoder().encode("adapter"))
        controller.close()
      },
    })
    const answer = await write(`/artefacts/${digest}`, 1, { raw: slow, headers: octets(7) }, "PUT")
    expect([answer.status, answer.value.type]).toEqual([409, "urn:yohaku:problem:stale-lease"])
  })

  it("is refused for a job that does not exist, a token that is no number, and bytes of another digest", async () => {
    await lease()
    const unknown = await call<Problem>("POST", "/v1/runner/jobs/none/heartbeat", {
      key,
      json: {},
      headers: { "yohaku-fencing-token": "1" },
    })
    expect(unknown.value).toMatchObject({ status: 404, resource: "job" })
    expect((await call("POST", `${PATH}/heartbeat`, { key, json: {} })).status).toBe(400)
    expect((await write("/heartbeat", Number.NaN, { json: {} })).status).toBe(400)
    const wrong = await write(`/artefacts/${await sha256Hex("x")}`, 1, { raw: "y", headers: octets(1) }, "PUT")
    expect(wrong.value.type).toBe("urn:yohaku:problem:digest-mismatch")
  })

  it("is refused when its metrics are no JSON, too large or of another type", async () => {
    await lease()
    const metrics = (raw: string, type = "application/x-ndjson") =>
      write("/metrics?fromStep=1", 1, { raw, headers: { "content-type": type } })
    expect((await metrics('{"step":1}\nNaN')).value).toMatchObject({
      status: 400,
      detail: expect.stringMatching(/^Line 2/),
    })
    for (const line of ["7", "null", '"step"', "[1]"])
      expect((await metrics(`{"step":1}\n${line}`)).value).toMatchObject({
        status: 400,
        detail: expect.stringMatching(/^Line 2 .*no object/),
      })
    expect((await metrics("x".repeat(1024 * 1024 + 1))).status).toBe(413)
    expect((await metrics("{}", "image/png")).status).toBe(415)
    expect((await call("GET", "/v1/runs/run-1/metrics")).text).toBe("")
  })

  it("is refused when its metrics are of no step that a run could have", async () => {
    await lease()
    for (const step of ["-1", "1.5", String(2 ** 53 - 1), "1000000001", "x"])
      expect(
        (await write(`/metrics?fromStep=${step}`, 1, { raw: '{"step":1}', headers: METRICS })).value.type,
        step,
      ).toBe("urn:yohaku:problem:invalid-request")
  })

  it("is refused an adapter whose files have names that are paths", async () => {
    await lease()
    for (const name of ["../../x", "a/b", "..\\x", ".hidden", "C:/x", "", "x".repeat(129)]) {
      const result = { kind: "train", adapter: { [name]: "0".repeat(64) }, report: {} }
      expect((await write("/complete", 1, { json: { result } })).value.type, name).toBe(
        "urn:yohaku:problem:invalid-request",
      )
    }
    expect((await orchestrator.calls()).map(([name]) => name)).not.toContain("complete")
  })

  it("needs the scope of a runner, and cannot do what others may", async () => {
    const reader = await makeKey("read", "train", "ingest", "promote")
    expect((await call("POST", "/v1/runner/lease", { key: reader, json: { runnerId: "r", adapter: "" } })).status).toBe(
      403,
    )
    for (const [method, path] of [
      ["GET", "/v1/status"],
      ["POST", "/v1/models"],
      ["POST", "/v1/keys"],
      ["GET", "/v1/runs"],
    ] as const)
      expect((await call(method, path, { key, ...(method === "POST" ? { json: {} } : {}) })).status).toBe(403)
  })

  it("is refused a wait longer than the long poll", async () => {
    expect((await lease({ waitMs: 25_001 })).status).toBe(400)
    expect((await lease({ runnerId: "" })).status).toBe(400)
  })
})
