// Everything that must be refused with a typed problem, leaving nothing behind. Over 300 lines: a case a refusal.
import { beforeEach, describe, expect, it } from "vitest"
import { LIMITS } from "#shared/wire/limits.ts"
import {
  type Answer,
  call,
  comparison,
  DATASET,
  newKey,
  orchestrator,
  type Problem,
  post,
  rows,
  startWorld,
  stored,
  unsized,
} from "./world.ts"

beforeEach(startWorld)

const PATH = `/v1/datasets/${DATASET}/comparisons`
const JSON_TYPE = { "content-type": "application/json" }

const sendRaw = (raw: BodyInit, headers: Readonly<Record<string, string>> = JSON_TYPE) =>
  call<Problem>("POST", PATH, { raw, headers, idempotencyKey: newKey() })

const nested = (depth: number): string =>
  JSON.stringify(comparison("row-1")).replace(/}$/, `,"metadata":{"x":${"[".repeat(depth)}${"]".repeat(depth)}}}`)

const manyCandidates = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `c${index}`, response: `r${index}` })) as unknown as ReturnType<
    typeof comparison
  >["candidates"]

/** Expects this problem, a mend in words, and that nothing was stored. */
const expectRefused = async (
  run: () => Promise<Answer<Problem>>,
  status: number,
  type: string,
  detail: RegExp,
): Promise<Problem> => {
  const before = await stored()
  const answer = await run()
  expect({ status: answer.status, type: answer.value.type }).toEqual({ status, type: `urn:yohaku:problem:${type}` })
  expect(answer.headers.get("content-type")).toBe("application/problem+json")
  expect(answer.value.status).toBe(status)
  expect(answer.value.detail).toMatch(detail)
  expect(await stored()).toEqual(before)
  return answer.value
}

describe("a body that is not acceptable JSON", () => {
  const bytes = (...values: number[]) => new Uint8Array(values)
  const cases: [string, BodyInit, RegExp][] = [
    ["is empty", "", /does not parse/],
    ["is no JSON", "{", /does not parse/],
    ["holds broken UTF-8", bytes(0x22, 0xff, 0x22), /not valid UTF-8/],
    ["holds an overlong encoding", bytes(0x22, 0xc0, 0xaf, 0x22), /not valid UTF-8/],
    ["holds a byte order mark alone", bytes(0xef, 0xbb, 0xbf), /does not parse/],
    ["begins with two byte order marks", "\ufeff\ufeff{}", /does not parse/],
    ["is UTF-16", bytes(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00), /not valid UTF-8/],
    ["holds a lone surrogate", '{"prompt":"\\ud800"}', /lone surrogate/],
    ["holds NUL", '{"prompt":"a\\u0000b"}', /NUL/],
    ["names __proto__", '{"__proto__":{"admin":true}}', /"__proto__" is not allowed/],
    ["names constructor, deep inside", '{"a":[{"constructor":1}]}', /"constructor" is not allowed/],
    ["repeats a key", '{"prompt":"a","prompt":"b"}', /"prompt" is there twice/],
    ["holds an infinite number", '{"metadata":{"x":1e400}}', /number is too large/],
    ["is nested too deep", nested(LIMITS.jsonDepth), /nested deeper than 32/],
    ["is nested a hundred thousand deep", "[".repeat(100_000), /nested deeper than 32/],
  ]
  for (const [name, body, detail] of cases)
    it(`${name}: 400`, async () => {
      await expectRefused(() => sendRaw(body), 400, "malformed-json", detail)
    })

  it("is accepted behind a byte order mark, which Windows writes", async () => {
    expect((await sendRaw(`\ufeff${nested(1)}`)).status).toBe(202)
  })

  it("is accepted at exactly the allowed depth", async () => {
    expect((await sendRaw(nested(LIMITS.jsonDepth - 2))).status).toBe(202)
  })
})

describe("a body of the wrong size, type or encoding", () => {
  it("is refused with 413 one byte over the limit, whether its length is stated or not", async () => {
    const padding = " ".repeat(LIMITS.jsonBodyBytes - JSON.stringify(comparison("row-1")).length)
    const fitting = JSON.stringify(comparison("row-1")) + padding
    expect((await sendRaw(fitting)).status).toBe(202)
    await expectRefused(() => sendRaw(`${fitting} `), 413, "body-too-large", /larger than 1048576 bytes/)
    await expectRefused(() => sendRaw(unsized(`${fitting} `)), 413, "body-too-large", /larger than 1048576 bytes/)
  })

  it("is taken as JSON where nothing says what it is", async () => {
    const raw = new TextEncoder().encode(JSON.stringify(comparison("untyped")))
    const answer = await call("POST", PATH, { raw, idempotencyKey: newKey() })
    expect([answer.status, answer.text]).toEqual([202, expect.stringContaining("accepted")])
  })

  it("is refused with 415 when it is compressed or of another type", async () => {
    const body = JSON.stringify(comparison("row-1"))
    await expectRefused(
      () => sendRaw(body, { ...JSON_TYPE, "content-encoding": "gzip" }),
      415,
      "unsupported-media",
      /without Content-Encoding/,
    )
    await expectRefused(
      () => sendRaw(body, { "content-type": "text/xml" }),
      415,
      "unsupported-media",
      /as application\/json, not as text\/xml/,
    )
  })
})

describe("a comparison of the wrong shape", () => {
  const cases: [string, object, RegExp][] = [
    ["has an unknown field", { ...comparison("row-1"), winer: "a" }, /body\.winer/],
    [
      "has an unknown field inside",
      { ...comparison("row-1"), judgement: { kind: "tie", qualty: "good" } },
      /body\.judgement/,
    ],
    ["lacks a field", { ...comparison("row-1"), prompt: undefined }, /body\.prompt/],
    ["has a number for a string", { ...comparison("row-1"), externalId: 7 }, /body\.externalId/],
    ["has an empty external id", comparison(""), /body\.externalId/],
    ["has an external id of 513 characters", comparison("x".repeat(513)), /body\.externalId.*length/],
    ["has a prompt of 262,145 characters", comparison("row-1", { prompt: "x".repeat(262_145) }), /body\.prompt/],
    ["has 65 candidates", comparison("row-1", { candidates: manyCandidates(65) }), /body\.candidates/],
    [
      "ranks 8,000 candidates in 356 kB",
      comparison("row-1", {
        candidates: manyCandidates(8000),
        judgement: {
          kind: "ranking",
          ranks: Object.fromEntries(manyCandidates(8000).map(({ id }, rank) => [id, rank])),
        },
      }),
      /body\.candidates/,
    ],
    [
      "has a conversation of 257 messages",
      comparison("row-1", { prompt: Array.from({ length: 257 }, () => ({ role: "user", content: "?" })) as never }),
      /body\.prompt/,
    ],
    [
      "has metadata of 65 entries",
      comparison("row-1", { metadata: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [index, 0])) }),
      /body\.metadata/,
    ],
    ["has an unknown judgement", { ...comparison("row-1"), judgement: { kind: "guess" } }, /body\.judgement/],
  ]
  for (const [name, body, detail] of cases)
    it(`${name}: 400, and the path is named`, async () => {
      await expectRefused(() => post<Problem>(PATH, body), 400, "invalid-request", detail)
    })
})

describe("a comparison that cannot be learnt from", () => {
  const candidates = (a: string, b: string) => ({
    candidates: [
      { id: "a", response: a },
      { id: "b", response: b },
    ] as const,
  })
  const chat = (content: string) => [{ role: "assistant" as const, content }] as const
  const cases: [string, Parameters<typeof comparison>[1], string][] = [
    ["an empty response", candidates("yes", ""), "empty-response"],
    ["a response of white space", candidates("yes", " \n\t"), "empty-response"],
    ["identical responses", candidates("yes", "yes"), "identical-responses"],
    ["responses that differ in surrounding space", candidates("yes", " yes\n"), "identical-responses"],
    ["responses that differ in Unicode composition", candidates("caf\u00e9", "cafe\u0301"), "identical-responses"],
    ["an empty prompt", { prompt: "  " }, "empty-prompt"],
    ["one candidate", { candidates: [{ id: "a", response: "yes" }] }, "too-few-candidates"],
    [
      "two candidates of one id",
      {
        candidates: [
          { id: "a", response: "yes" },
          { id: "a", response: "no" },
        ],
      },
      "duplicate-candidate",
    ],
    ["a winner that is no candidate", { judgement: { kind: "choice", winner: "c" } }, "unknown-candidate"],
    ["a ranking of a stranger", { judgement: { kind: "ranking", ranks: { a: 1, c: 2 } } }, "unknown-candidate"],
    ["a rating of one", { judgement: { kind: "rating", scores: { a: 1 } } }, "unusable-judgement"],
    ["a strength out of range", { judgement: { kind: "strength", value: 4 } }, "unusable-judgement"],
    [
      "a text and a message that say the same",
      {
        candidates: [
          { id: "a", response: "yes" },
          { id: "b", response: chat(" yes") },
        ],
      },
      "identical-responses",
    ],
    [
      "an empty message",
      {
        prompt: [{ role: "user", content: "Why?" }],
        candidates: [
          { id: "a", response: chat("yes") },
          { id: "b", response: chat("") },
        ],
      },
      "empty-response",
    ],
    [
      "a long prompt for each of many pairs",
      { prompt: "x".repeat(33_300), candidates: manyCandidates(64), judgement: { kind: "choice", winner: "c0" } },
      "too-much-text",
    ],
    ["a date that is none", { labelledAt: "yesterday" }, "unusable-date"],
    ["a day that its month does not have", { labelledAt: "2026-02-29T09:30:00Z" }, "unusable-date"],
    ["a month that no year has", { labelledAt: "2026-13-01T09:30:00Z" }, "unusable-date"],
    ["a date that is still to come", { labelledAt: "9999-12-31T23:59:59Z" }, "unusable-date"],
    ["a date before there were such dates", { labelledAt: "1969-12-31T23:59:59Z" }, "unusable-date"],
  ]
  for (const [name, changes, reason] of cases)
    it(`has ${name}: 422 ${reason}`, async () => {
      const problem = await expectRefused(
        () => post<Problem>(PATH, comparison("row-1", changes)),
        422,
        "invalid-comparison",
        /\S/,
      )
      expect(problem.reason).toBe(reason)
    })
})

describe("what a request names", () => {
  it("must exist: an unknown dataset is 404 on every route", async () => {
    const requests = [
      () => post<Problem>("/v1/datasets/nowhere/comparisons", comparison("row-1")),
      () => call<Problem>("GET", "/v1/datasets/nowhere"),
      () => call<Problem>("GET", "/v1/datasets/nowhere/comparisons"),
      () => call<Problem>("GET", "/v1/datasets/nowhere/pairs"),
      () => post<Problem>("/v1/datasets/nowhere/runs", {}),
      () => post<Problem>("/v1/datasets/nowhere/webhooks", { source: "argilla" }),
      () =>
        call<Problem>("POST", "/v1/datasets/nowhere/comparisons/bulk", {
          raw: JSON.stringify(comparison("row-1")),
          idempotencyKey: newKey(),
        }),
    ]
    for (const request of requests)
      await expectRefused(request, 404, "dataset-not-found", /no dataset "nowhere"; create it with POST/)
    expect(await orchestrator.calls()).not.toContainEqual(["trigger", expect.anything()])
  })

  it("must exist: an unknown route is 404", async () => {
    for (const [method, path] of [
      ["GET", "/nowhere"],
      ["DELETE", "/v1"],
    ] as const)
      await expectRefused(() => call<Problem>(method, path), 404, "route-not-found", /openapi\.json/)
  })

  it("must have the method: another is 405, and `Allow` says which there are", async () => {
    for (const [method, path, allow] of [
      ["PATCH", PATH, "GET, HEAD, POST"],
      ["GET", "/v1/webhooks/argilla/x", "POST"],
      ["DELETE", `/v1/blobs/${"0".repeat(64)}`, "GET, HEAD, PUT"],
      ["POST", "/openapi.json", "GET, HEAD"],
      ["DELETE", "/", "GET, HEAD"],
    ] as const) {
      await expectRefused(() => call<Problem>(method, path), 405, "method-not-allowed", /openapi\.json/)
      expect((await call(method, path)).headers.get("allow")).toBe(allow)
    }
  })

  it("may name what is longer than any name: nothing has it, and the answer does not repeat it", async () => {
    for (const [method, path] of [
      ["GET", `/v1/datasets/${"d".repeat(5000)}`],
      ["GET", `/v1/datasets/${"d".repeat(101)}`],
      ["DELETE", `/v1/datasets/${"d".repeat(5000)}`],
      ["HEAD", `/v1/runs/${"r".repeat(5000)}`],
      ["POST", `/v1/webhooks/argilla/${"w".repeat(5000)}`],
      ["GET", `/v1/nowhere/${"n".repeat(5000)}`],
    ] as const) {
      const answer = await call<Problem>(method, path)
      expect([answer.status, answer.text.length < 600]).toEqual([404, true])
      if (method !== "HEAD") expect(answer.value.type).toBe("urn:yohaku:problem:route-not-found")
    }
    expect((await call("PUT", `/v1/datasets/${"d".repeat(5000)}`)).status).toBe(405)
  })

  it("may be asked for by HEAD, which is GET without the body", async () => {
    for (const path of ["/healthz", "/openapi.json", `/v1/datasets/${DATASET}`, "/v1/datasets/nowhere"]) {
      const [head, get] = [await call("HEAD", path), await call("GET", path)]
      expect([head.status, head.text, head.headers.get("content-type")]).toEqual([
        get.status,
        "",
        get.headers.get("content-type"),
      ])
    }
    expect((await call("HEAD", `/v1/datasets/${DATASET}`, { key: null })).status).toBe(401)
  })

  it("must be readable: a path that is not percent-encoded UTF-8 is 400, with a key or without", async () => {
    for (const path of ["/v1/datasets/%", "/v1/datasets/%zz", "/v1/runs/%ff", "/v1/blobs/%c0%af"])
      for (const key of [undefined, null])
        await expectRefused(
          () => call<Problem>("GET", path, key === undefined ? {} : { key }),
          400,
          "invalid-request",
          /percent-encoded UTF-8/,
        )
  })
})

describe("a parameter", () => {
  interface Parameter {
    readonly name: string
    readonly in: "path" | "query" | "header"
    readonly required: boolean
    readonly example?: unknown
  }
  interface Operation {
    readonly parameters: readonly Parameter[]
    readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  }

  /** A request of the document's with all that it requires but one parameter. */
  const without = (method: string, path: string, operation: Operation, left: Parameter) => {
    const sent = operation.parameters.filter(({ required, name }) => required && name !== left.name)
    const of = (place: Parameter["in"]) =>
      sent.filter((one) => one.in === place).map(({ name, example }) => [name, example])
    const [type] = Object.keys(operation.requestBody?.content ?? {})
    const target = of("path").reduce((filled, [name, example]) => filled.replace(`{${name}}`, String(example)), path)
    const query = new URLSearchParams(of("query").map(([name, example]) => [String(name), String(example)]))
    return call<Problem>(method.toUpperCase(), `${target}?${query}`, {
      idempotencyKey: newKey(),
      headers: {
        ...Object.fromEntries(of("header").map(([name, example]) => [name, String(example)])),
        ...(type === undefined ? {} : { "content-type": type }),
      },
      ...(type === undefined ? {} : { raw: type === "application/json" ? "{}" : "x" }),
    })
  }

  it("that is required and missing is named, with what it is, wherever there is one", async () => {
    const { paths } = (await call<{ paths: Record<string, Record<string, Operation>> }>("GET", "/openapi.json")).value
    const seen: string[] = []
    for (const [path, methods] of Object.entries(paths))
      for (const [method, operation] of Object.entries(methods))
        for (const left of operation.parameters ?? []) {
          const isOwn = left.name === "idempotency-key" || path.startsWith("/v1/webhooks/")
          if (!left.required || left.in === "path" || isOwn) continue
          const refused = await without(method, path, operation, left)
          const place = left.in === "query" ? "query" : "headers"
          expect([refused.status, refused.value.detail], `${method} ${path}`).toEqual([
            400,
            expect.stringMatching(new RegExp(`^${place}\\.${left.name}: it is missing \\(.+\\)\\. Compare `)),
          ])
          seen.push(left.name)
        }
    expect(new Set(seen)).toEqual(new Set(["confirm", "fromStep", "from", "yohaku-fencing-token"]))
  })

  it("that is another than it may be is answered with what it is; a field that is missing or unknown is named", async () => {
    const asked = await call<Problem>("DELETE", `/v1/datasets/${DATASET}`)
    expect(asked.value.detail).toBe(
      "query.confirm: it is missing (the dataset's id once more, as ?confirm={id}: a deletion cannot be undone). Compare the request with /openapi.json.",
    )
    const limit = await call<Problem>("GET", "/v1/datasets?limit=many")
    expect(limit.value.detail).toMatch(/^query\.limit: Expected .* \(how many items a page has at most\)\. /)
    expect((await call<Problem>("GET", "/v1/datasets?note=x")).value.detail).toMatch(
      /^query\.note: nothing of that name is known here; leave it out\. /,
    )
    expect((await post<Problem>("/v1/datasets", { referenceModel: { name: "tiny" } })).value.detail).toMatch(
      /^body\.id: it is missing\. /,
    )
  })
})

describe("a dataset", () => {
  const make = (changes: object) => () =>
    post<Problem>("/v1/datasets", { id: "new", referenceModel: { name: "tiny" }, ...changes })

  it("needs a reference model that is registered, in the version that it names", async () => {
    await expectRefused(
      make({ referenceModel: { name: "none" } }),
      422,
      "reference-model-unusable",
      /register it with POST/,
    )
    await expectRefused(
      make({ referenceModel: { name: "tiny", version: 9 } }),
      422,
      "reference-model-unusable",
      /version 9/,
    )
    expect(await rows("SELECT id FROM datasets")).toEqual([{ id: DATASET }])
  })

  it("needs a new id of plain characters", async () => {
    await expectRefused(make({ id: DATASET }), 409, "conflict", /choose another id/)
    for (const id of ["", "A", "../x", "a/b", "-a", "x".repeat(65), "日本"])
      await expectRefused(make({ id }), 400, "invalid-request", /body\.id/)
  })
})

describe("a part of the system that fails", () => {
  it("is answered 503 with Retry-After when the orchestrator throws or is unavailable", async () => {
    for (const failure of ["throw", "Unavailable"] as const) {
      await orchestrator.failNext(failure)
      const answer = await post<Problem>(`/v1/datasets/${DATASET}/runs`, {})
      expect([answer.status, answer.value.type]).toEqual([503, "urn:yohaku:problem:unavailable"])
      expect(answer.headers.get("retry-after")).toBe("1")
    }
  })

  it("is answered 500 as a problem when something stored cannot be read, without saying what", async () => {
    const { bindings } = await import("./world.ts")
    await bindings.DB.prepare("UPDATE datasets SET retrain_config = 'not JSON'").run()
    const answer = await call<Problem>("GET", `/v1/datasets/${DATASET}`)
    expect([answer.status, answer.value.type]).toEqual([500, "urn:yohaku:problem:internal-error"])
    expect(answer.text).not.toContain("JSON")
  })
})
