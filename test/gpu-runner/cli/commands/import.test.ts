// `yohaku import`: what its exit codes say.
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest"
import { GATEWAY, TOKEN, unauthenticated } from "#test/gpu-runner/fleet/gateway-stand-in.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace, jsonLines } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
const server = setupServer()
beforeAll(() => {
  server.listen()
  vi.stubEnv("YOHAKU_TOKEN", TOKEN)
})
afterEach(() => server.resetHandlers())
afterAll(() => {
  server.close()
  vi.unstubAllEnvs()
  workspace.remove()
})

/** A gateway that refuses these lines of a chunk, and takes all others as new or as known. */
const gateway = (refused: readonly number[] = [], isKnown = false) =>
  server.use(
    http.post(`${GATEWAY}/v1/datasets/real/comparisons/bulk`, async ({ request }) => {
      const taken = (await request.text()).trim().split("\n").length - refused.length
      const problem = { type: "urn:yohaku:problem:unusable-row", status: 422, title: "unusable", detail: "no tools" }
      const rejected = refused.map((line) => ({ line, problem }))
      const [accepted, duplicates] = isKnown ? [0, taken] : [taken, 0]
      return HttpResponse.json({ accepted, duplicates, rejectedLines: refused.length, rejected }, { status: 202 })
    }),
  )

const row = (index: number) => ({ id: `${index}`, prompt: "q", chosen: "a", rejected: "b" })
const rows = Array.from({ length: 40 }, (_, index) => row(index))
const file = workspace.write("rows.jsonl", jsonLines(rows))
const importing = (data: string, ...more: readonly string[]) =>
  ["import", "--url", GATEWAY, "--dataset", "real", "--data", data, ...more] as const

test("0 when everything was accepted, or was there already", async () => {
  gateway()
  expect((await runYohaku(...importing(file))).code).toBe(0)
  gateway([], true)
  const { code, result } = await runYohakuJson(...importing(file))
  expect([code, result.duplicates]).toEqual([0, 40])
})

test("3 when the gateway refused some, unless that is allowed", async () => {
  gateway([2])
  const { code, told, printed } = await runYohaku(...importing(file))
  expect(code).toBe(3)
  expect(told).toBe("yohaku import: 1 row was refused; mend them, or give --allow-refused")
  expect(printed).toBe("40 lines: 39 accepted, 0 duplicates, 1 rejected\n  line 2: no tools")
  expect((await runYohaku(...importing(file, "--allow-refused"))).code).toBe(0)
})

test("3 when a row was bad here, and its line is told", async () => {
  gateway()
  const bad = workspace.write("bad.jsonl", `${jsonLines(rows)}{"prompt":"p","chosen":"a"}\n`)
  const { code, result } = await runYohakuJson(...importing(bad))
  expect(code).toBe(3)
  expect(result).toMatchObject({
    lines: 41,
    accepted: 40,
    rejected: 1,
    problems: [{ file: bad, line: 41, problem: "rejected is missing; give both responses" }],
  })
})

test("1 when nothing was accepted, allowed or not", async () => {
  gateway([1])
  const one = workspace.write("one.jsonl", jsonLines([row(1)]))
  const { code, told } = await runYohaku(...importing(one, "--allow-refused"))
  expect(code).toBe(1)
  expect(told).toBe("yohaku import: nothing was accepted; `yohaku data check` shows what the file states")
  expect((await runYohaku(...importing(workspace.write("empty.jsonl", "")))).code).toBe(1)
})

test("own columns are named as for training", async () => {
  gateway()
  const own = workspace.write("own.csv", "question,good,bad\nq,a,b\n")
  const { code, result } = await runYohakuJson(...importing(own, "--map", "prompt=question,chosen=good,rejected=bad"))
  expect([code, result.accepted]).toEqual([0, 1])
})

test("1 when the key is refused, and how to make another", async () => {
  server.use(http.post(`${GATEWAY}/v1/datasets/real/comparisons/bulk`, unauthenticated))
  const { code, told } = await runYohaku(...importing(file))
  expect(code).toBe(1)
  expect(told).toMatch(
    /^yohaku import: the gateway refuses the key in YOHAKU_TOKEN: .* Make a new one with the scope `ingest` \(POST \/v1\/keys/,
  )
})

test.each([
  ["", /--origin is empty/],
  ["x".repeat(101), /--origin is longer than 100 characters; shorten it/],
])(
  "an origin of no character or of 101 is a usage error, for it is a part of every record's name",
  async (origin, message) => {
    const { code, told } = await runYohaku(...importing(file, "--origin", origin))
    expect([code, told]).toEqual([2, expect.stringMatching(message)])
  },
)
