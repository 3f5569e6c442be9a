// Whatever is sent, the answer is a success or a problem below 500; and what is accepted is stored as it was said.
import { Arbitrary, Effect } from "effect"
import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { canonicalJson } from "#shared/formats/digest.ts"
import { Comparison } from "#shared/judgement/Comparison.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { argillaEvent, deliverPlain, deliverSigned, labelStudioEvent, makeEndpoint } from "./deliveries.ts"
import { type Answer, bindings, call, comparison, DATASET, newKey, post, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

const SEED = 20261124
const check = <A extends unknown[]>(
  runs: number,
  ...property: [...{ [K in keyof A]: fc.Arbitrary<A[K]> }, (...values: A) => Promise<void>]
) =>
  fc.assert((fc.asyncProperty as never as (...parts: unknown[]) => fc.IAsyncProperty<A>)(...property), {
    numRuns: runs,
    seed: SEED,
  })

const expectNoFailure = ({ status, headers, text }: Answer<unknown>): void => {
  expect(status, text).toBeLessThan(500)
  if (status >= 400) expect(headers.get("content-type")).toBe("application/problem+json")
}

const COMPARISONS = `/v1/datasets/${DATASET}/comparisons`

const payloadOf = async (id: string): Promise<string> => {
  const [row] = await rows<{ payload_digest: string }>(`SELECT payload_digest FROM comparisons WHERE id = '${id}'`)
  return (await bindings.BLOBS.get(`blobs/${row!.payload_digest}`))!.text()
}

const ROUTES = [
  ["POST", COMPARISONS],
  ["POST", `${COMPARISONS}/bulk`],
  ["POST", `${COMPARISONS}/bulk?format=rows`],
  ["POST", "/v1/datasets"],
  ["POST", `/v1/datasets/${DATASET}/runs`],
  ["POST", `/v1/datasets/${DATASET}/webhooks`],
  ["POST", "/v1/models"],
  ["POST", "/v1/models/tiny/channels/production"],
  ["POST", "/v1/keys"],
  ["POST", "/v1/runner/lease"],
  ["POST", "/v1/runner/jobs/job/metrics?fromStep=1"],
  ["POST", "/v1/runner/jobs/job/complete"],
  ["PUT", `/v1/blobs/${"0".repeat(64)}`],
  ["POST", "/v1/webhooks/argilla/x"],
] as const

const MEDIA = ["application/json", "application/x-ndjson", "application/octet-stream", "text/plain", "nonsense"]

/** Bytes that are near to JSON as well as bytes that are not. */
const nearJson = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((text) => new TextEncoder().encode(text)),
  fc.tuple(fc.nat(400), fc.nat(255)).map(([at, byte]) => {
    const bytes = new TextEncoder().encode(JSON.stringify(comparison("row-1")))
    bytes[at % bytes.length] = byte
    return bytes
  }),
)

describe("any bytes", () => {
  it("to any route are answered, never with a failure", async () => {
    await check(
      300,
      fc.constantFrom(...ROUTES),
      fc.constantFrom(...MEDIA),
      nearJson,
      async ([method, path], media, bytes) => {
        const headers = { "content-type": media, "yohaku-fencing-token": "1", "content-length": String(bytes.length) }
        expectNoFailure(await call(method, path, { raw: bytes as BodyInit, headers, idempotencyKey: newKey() }))
      },
    )
  })

  it("as lines of a bulk upload leave the good lines among them accepted", async () => {
    const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => bytes.map((byte) => (byte === 10 ? 32 : byte)))
    await check(40, fc.array(noise, { maxLength: 8 }), async (noises) => {
      await bindings.DB.batch([
        bindings.DB.prepare("DELETE FROM outbox"),
        bindings.DB.prepare("DELETE FROM comparisons"),
      ])
      const good = new TextEncoder().encode(JSON.stringify(comparison("row-1")))
      const newline = new Uint8Array([10])
      const raw = new Blob([...noises.flatMap((bytes) => [bytes as Uint8Array<ArrayBuffer>, newline]), good])
      const headers = { "content-type": "application/x-ndjson" }
      const answer = await call<{ accepted: number; rejectedLines: number }>("POST", `${COMPARISONS}/bulk`, {
        raw,
        headers,
        idempotencyKey: newKey(),
      })
      expect([answer.status, answer.value.accepted]).toEqual([202, 1])
      expect(answer.value.rejectedLines).toBeLessThanOrEqual(noises.length)
    })
  })
})

describe("any words in a path, a query or a header", () => {
  it("are answered, never with a failure", async () => {
    const word = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: "binary", maxLength: 20 })).map(encodeLoosely)
    const paths = [
      "/v1/datasets/?",
      "/v1/runs/?",
      "/v1/models/?",
      "/v1/blobs/?",
      "/v1/keys/?",
      "/v1/runs?cursor=?",
      "/v1/?",
    ]
    await check(
      200,
      fc.constantFrom(...paths),
      word,
      fc.constantFrom("GET", "DELETE", "POST"),
      async (path, value, method) => {
        expectNoFailure(
          await call(
            method,
            path.replace("?", "\0").replace(/\?$|\0/, () => value),
            { headers: { authorization: value } },
          ),
        )
      },
    )
  })
})

const encodeLoosely = (text: string): string => encodeURIComponent(text.toWellFormed())

describe("any comparison that is well-formed", () => {
  it("is accepted exactly if the rules find no fault, and stored as it was said", async () => {
    const samples = await Effect.runPromise(
      Arbitrary.sampleEffect(Arbitrary.schema(Comparison), { count: 200, seed: SEED }),
    )
    for (const sample of samples) {
      const text = JSON.stringify(sample)
      const answer = await post<{ id: string; reason?: string; type?: string }>(COMPARISONS, undefined, {
        raw: text,
        headers: { "content-type": "application/json" },
      })
      expectNoFailure(answer)
      if (answer.value.type?.endsWith("malformed-json")) continue
      const fault = findComparisonFault(JSON.parse(text))
      expect(answer.value.reason, text).toBe(fault?.reason)
      expect(answer.status).toBe(fault === undefined ? 202 : 422)
    }
  })

  it("comes out of the store as it went in, whatever its texts", async () => {
    const word = fc.string({ unit: "binary", minLength: 1, maxLength: 60 })
    await check(50, word, word, word, async (prompt, chosen, rejected) => {
      const value = comparison(newKey(), {
        prompt,
        candidates: [
          { id: "a", response: chosen },
          { id: "b", response: rejected },
        ],
      })
      const answer = await post<{ id: string }>(COMPARISONS, value)
      expectNoFailure(answer)
      if (answer.status !== 202) return
      expect(await payloadOf(answer.value.id)).toBe(canonicalJson(value))
    })
  })

  it("keeps naughty strings as they are: bidi, zero width, controls, combining, astral", async () => {
    const naughty = [
      "\u202eabc\u202c",
      "a\u200bb",
      "\ufeff",
      "\u0001\u001f",
      "Z\u0351\u036b",
      "𝒳🍵\u{e0041}",
      "'; DROP TABLE pairs; --",
      "{{7*7}}",
      "\u2028\u2029",
    ]
    for (const [index, prompt] of naughty.entries()) {
      const value = comparison(`row-${index}`, { prompt: `x${prompt}` })
      const { value: answer } = await post<{ id: string }>(COMPARISONS, value)
      expect(JSON.parse(await payloadOf(answer.id))).toEqual(value)
    }
  })
})

describe("any delivery that is signed", () => {
  /** An event of a tool with one of its parts replaced by anything. */
  const spoiled = (event: object) =>
    fc.tuple(fc.nat(1000), fc.jsonValue({ maxDepth: 3 })).map(([at, value]) => {
      const copy = structuredClone(event) as Record<string, unknown>
      const places: [Record<string, unknown>, string][] = []
      const visit = (node: Record<string, unknown>): void => {
        for (const key of Object.keys(node)) {
          places.push([node, key])
          if (typeof node[key] === "object" && node[key] !== null) visit(node[key] as Record<string, unknown>)
        }
      }
      visit(copy)
      const [node, key] = places[at % places.length]!
      node[key] = value
      return copy
    })

  it("from Argilla is answered, never with a failure", async () => {
    const endpoint = await makeEndpoint("argilla", { task: "setting" })
    await check(
      100,
      fc.oneof(fc.jsonValue(), spoiled(argillaEvent({ timestamp: "2026-11-24T00:00:00Z" }))),
      async (event) => expectNoFailure(await deliverSigned(endpoint, event)),
    )
  })

  it("from Label Studio is answered, never with a failure", async () => {
    const endpoint = await makeEndpoint("label-studio", { task: "setting" })
    await check(100, fc.oneof(fc.jsonValue(), spoiled(labelStudioEvent())), async (event) =>
      expectNoFailure(await deliverPlain(endpoint, event)),
    )
  })

  it("to retrain is answered, never with a failure", async () => {
    const endpoint = await makeEndpoint("retrain")
    await check(
      60,
      fc.oneof(fc.jsonValue(), spoiled({ type: "x", data: { config: {}, promotion: "never" } })),
      async (event) => expectNoFailure(await deliverSigned(endpoint, event)),
    )
  })
})
