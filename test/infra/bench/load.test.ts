// What the benches of a running system measure and send is made from: trends and their intervals, values of a schema, hostile JSON.
import { describe, expect, it } from "vitest"
import { answerFault } from "#test/bench/load/answer-faults.ts"
import { spoiled, Wire, wireText } from "#test/bench/load/hostile-values.ts"
import { memoryChart } from "#test/bench/load/memory-chart.ts"
import type { Operation } from "#test/bench/load/operations.ts"
import { roleOf, sampleGroup } from "#test/bench/load/process-memory.ts"
import { Random } from "#test/bench/load/Random.ts"
import type { Plan } from "#test/bench/load/RequestPlans.ts"
import { SchemaValues } from "#test/bench/load/schema-values.ts"
import { trendOf, windowMedians } from "#test/bench/load/trend.ts"

describe("a trend", () => {
  const noisy = (slope: number, random: Random) =>
    Array.from({ length: 40 }, (_, x) => ({ x, y: 100 + slope * x + 4 * random.unit() }))

  it("of a line is its slope, and one outlier does not move it", () => {
    const line = Array.from({ length: 20 }, (_, x) => ({ x, y: 3 * x }))
    expect(trendOf(line)).toEqual({ slope: 3, low: 3, high: 3 })
    expect(trendOf(line.with(7, { x: 7, y: 1000 })).slope).toBe(3)
  })

  it("has an interval that holds the slope of 86 to 99 % of noisy lines, and 0 of none that rises", () => {
    const holds = (slope: number, held: number): number =>
      Array.from({ length: 100 }, (_, seed) => trendOf(noisy(slope, new Random(`noise ${seed}`)))).filter(
        ({ low, high }) => low <= held && held <= high,
      ).length
    expect(holds(0, 0)).toSatisfy((share: number) => share >= 86 && share <= 99)
    expect(holds(1, 1)).toSatisfy((share: number) => share >= 86 && share <= 99)
    expect(holds(1, 0)).toBe(0)
  })

  it("needs three points", () => {
    expect(() =>
      trendOf([
        { x: 0, y: 1 },
        { x: 1, y: 2 },
      ]),
    ).toThrow(RangeError)
  })

  it("is taken over medians of windows", () => {
    const points = [0, 0.2, 0.4, 1.5].map((x, index) => ({ x, y: index === 1 ? 99 : index }))
    expect(windowMedians(points, 1)).toEqual([
      { x: 0.5, y: 2 },
      { x: 1.5, y: 3 },
    ])
  })
})

describe("generated JSON", () => {
  const schema = {
    type: "object",
    properties: {
      id: { type: "string", pattern: "^[a-z]{3}$" },
      count: { type: "integer", minimum: 2, maximum: 5 },
      list: { type: "array", items: { enum: ["a"] }, minItems: 1, maxItems: 2 },
    },
    required: ["id", "count", "list"],
  } as const

  it("is within its schema", () => {
    for (let seed = 0; seed < 50; seed++)
      expect(new SchemaValues({}).valueOf(schema, new Random(`${seed}`))).toEqual({
        id: expect.stringMatching(/^[a-z]{3}$/),
        count: expect.toSatisfy((count: number) => Number.isInteger(count) && count >= 2 && count <= 5),
        list: expect.toSatisfy((list: string[]) => [1, 2].includes(list.length) && list.every((item) => item === "a")),
      })
  })

  it("is written as JSON writes it, but for what only the wire can hold", () => {
    const value = { a: [1, null, "é\n"], b: { c: true } }
    expect(wireText(value)).toBe(JSON.stringify(value))
    expect(wireText({ a: new Wire("1e999") })).toBe('{"a":1e999}')
  })

  it("is the same again from the same seed, and some of it repeats a key", () => {
    const texts = (seed: number) => wireText(spoiled({ key: { inner: 1 } }, new Random(`${seed}`)))
    const all = Array.from({ length: 200 }, (_, seed) => texts(seed))
    expect(all).toEqual(Array.from({ length: 200 }, (_, seed) => texts(seed)))
    expect(all.some((text) => /"inner":1,"inner":/.test(text))).toBe(true)
  })
})

describe("an answer", () => {
  const operation = { method: "GET", statuses: new Set([200, 404, 503]) } as unknown as Operation
  const plan = { method: "GET", operation, disturbed: "nothing" } as unknown as Plan
  const problem = JSON.stringify({ type: "urn:x", title: "X", status: 404 })
  const faultOf = (status: number, headers: Record<string, string> = {}, text = "{}") =>
    answerFault(plan, { kind: "answer", answer: { status, headers, text, tookMs: 1 } })
  const media = { "content-type": "application/problem+json" }

  it("is at fault where it fails, hangs, is undocumented, or refuses without a problem", () => {
    expect(faultOf(500)).toBe("500")
    expect(faultOf(503)).toBe("503 without Retry-After")
    expect(faultOf(503, { "retry-after": "0" })).toBe("503 without Retry-After")
    expect(faultOf(418)).toBe("418, which /openapi.json does not list")
    expect(faultOf(404, { "content-type": "text/plain" })).toMatch("not as application/problem+json")
    expect(faultOf(404, media, problem.replace("404", "400"))).toBe("404, whose problem says 400")
    expect(faultOf(200, { "content-type": "application/json" }, "{")).toBe("200 with a body that is no JSON")
    expect(answerFault(plan, { kind: "hang" })).toBe("no answer in time")
    expect(answerFault(plan, { kind: "broken", reason: "reset" })).toBe("the connection broke: reset")
  })

  it("is right as a documented success, as a problem, and as 503 with Retry-After", () => {
    expect(faultOf(200, { "content-type": "application/json" })).toBeUndefined()
    expect(faultOf(404, media, problem)).toBeUndefined()
    expect(faultOf(503, { ...media, "retry-after": "1" }, problem.replace("404", "503"))).toBeUndefined()
  })
})

describe("memory", () => {
  it("is told by what a process is there for", () => {
    expect(roleOf("/x/workerd serve --socket-addr=entry=127.0.0.1:8787 -", 8787)).toBe("workerd: wrangler's proxy")
    expect(roleOf("/x/workerd serve --socket-addr=entry=127.0.0.1:0 -", 8787)).toBe("workerd: the workers")
    expect(roleOf("node --no-warnings /x/wrangler-dist/cli.js dev", 8787)).toBe("node: wrangler")
  })

  it.runIf(process.platform === "linux")("of a process group is what Linux counts", () => {
    const group = Number(process.pid)
    for (const { rssMib, pssMib } of sampleGroup(group, 1)) expect(rssMib).toBeGreaterThanOrEqual(pssMib)
    expect(sampleGroup(2 ** 30, 1)).toEqual([])
  })

  it("is charted with a line a process, each with its last value", () => {
    const points = [0, 10].map((x) => ({ x, y: 100 + x }))
    const svg = memoryChart("A & B", [{ name: "one", points }], 5)
    expect(svg).toContain('aria-label="A &amp; B"')
    expect(svg.match(/<polyline/g)).toHaveLength(1)
    expect(svg).toContain("one 110")
  })
})
